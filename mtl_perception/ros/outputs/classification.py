# SPDX-License-Identifier: Apache-2.0
"""Classification of the whole image, to messages."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.lifecycle import LifecyclePublisher
from vision_msgs.msg import Classification, ObjectHypothesis

from mtl_perception.ros.outputs.further import Labels, Publish, Topics
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Result, Writer


class ClassificationWriter(Writer):
    """``vision_msgs/Classification``: every class of the model with its score, the highest first."""

    topic = Topic(
        "classification", Classification, "classes of the whole image with their scores, the highest first", ("classification",), "camera"
    )

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str]) -> None:
        super().__init__(publisher)
        self._labels = labels

    def fill(self, result: Result) -> Classification | None:
        found = result.scene.answers.get("classification")
        if found is None:
            return None
        ranked = sorted(zip(found.scores.tolist(), self._labels), reverse=True)
        results = [ObjectHypothesis(class_id=label, score=score) for score, label in ranked]
        return Classification(header=result.header, results=results)


def topics(publish: Publish, labels: Labels) -> Topics:
    return Topics([ClassificationWriter(publish(ClassificationWriter.topic), labels("classification"))])


TOPICS = (ClassificationWriter.topic,)
