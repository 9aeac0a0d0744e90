# SPDX-License-Identifier: Apache-2.0
"""Masks of detections to messages."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import Image

from mtl_perception.msg import InstanceMask, InstanceMaskArray
from mtl_perception.ros.outputs.further import Labels, Publish, Topics
from mtl_perception.ros.outputs.images import ImageWriter
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Result, Writer


class InstancesWriter(ImageWriter):
    """mono16: k where a pixel shows the k-th of the detections of the same stamp, counted from 1; 0 where it shows none of them."""

    topic = Topic(
        "instances",
        Image,
        "k where a pixel shows the k-th of `detections` of the same stamp, from 1; 0 for none (mono16)",
        ("detection", "instances"),
        "camera",
    )

    def fill(self, result: Result) -> Image | None:
        masks = result.frame.masks
        return None if masks is None else self.image(result.header, "mono16", masks.painted(range(1, len(masks) + 1)))


class InstanceMasksWriter(Writer):
    """``mtl_perception/InstanceMaskArray``: the whole mask of each of the detections of the same stamp, in their order."""

    topic = Topic(
        "instances/masks",
        InstanceMaskArray,
        "the whole mask of each of `detections` of the same stamp, as run lengths in COCO's form",
        ("detection", "instances"),
        "camera",
    )

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str]) -> None:
        super().__init__(publisher)
        self._labels = labels

    def fill(self, result: Result) -> InstanceMaskArray | None:
        masks, found = result.frame.masks, result.scene.detections
        if masks is None or found is None:
            return None
        ids = [""] * len(found) if result.tracks is None else result.tracks.detection_ids
        rows = zip(ids, found.class_ids.tolist(), found.scores.tolist(), strict=True)
        instances = [
            InstanceMask(id=id, class_id=self._labels[class_id], score=score, counts=array("I", masks.counts(number).tobytes()))
            for number, (id, class_id, score) in enumerate(rows)
        ]
        return InstanceMaskArray(header=result.header, width=masks.width, height=masks.height, instances=instances)


def topics(publish: Publish, labels: Labels) -> Topics:
    masks = InstanceMasksWriter(publish(InstanceMasksWriter.topic), labels("detection"))
    return Topics([InstancesWriter(publish(InstancesWriter.topic)), masks])


TOPICS = (InstancesWriter.topic, InstanceMasksWriter.topic)
