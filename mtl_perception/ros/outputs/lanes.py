# SPDX-License-Identifier: Apache-2.0
"""Masks that may overlap, to messages."""

from __future__ import annotations

from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

from mtl_perception.ros.outputs.further import Labels, Publish, Topics
from mtl_perception.ros.outputs.images import ImageWriter
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Result


class LanesWriter(ImageWriter):
    """mono8: bit k of a pixel is set where class k is; ``lanes/label_info`` names the values 1, 2, 4 and so on."""

    label_info = Topic("lanes/label_info", LabelInfo, "classes of the bits of `lanes/mask`", ("lanes",), is_latched=True)
    topic = Topic("lanes/mask", Image, "bit k of a pixel is set where class k is (mono8)", ("lanes",), "camera")

    def fill(self, result: Result) -> Image | None:
        lanes = result.scene.answers.get("lanes")
        return None if lanes is None else self.image(result.header, "mono8", lanes.bits)


def topics(publish: Publish, labels: Labels) -> Topics:
    names = {1 << bit: label for bit, label in enumerate(labels("lanes"))}
    return Topics([LanesWriter(publish(LanesWriter.topic))], {LanesWriter.label_info: names})


TOPICS = (LanesWriter.topic, LanesWriter.label_info)
