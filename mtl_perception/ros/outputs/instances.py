# SPDX-License-Identifier: Apache-2.0
"""Masks of detections to messages."""

from __future__ import annotations

from collections.abc import Sequence

from sensor_msgs.msg import Image

from mtl_perception.ros.outputs.further import Publish, Topics
from mtl_perception.ros.outputs.images import ImageWriter
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Result


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


def topics(publish: Publish, labels: Sequence[str]) -> Topics:
    return Topics([InstancesWriter(publish(InstancesWriter.topic))])


TOPICS = (InstancesWriter.topic,)
