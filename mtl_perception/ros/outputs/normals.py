# SPDX-License-Identifier: Apache-2.0
"""Surface normals to messages."""

from __future__ import annotations

from sensor_msgs.msg import Image

from mtl_perception.ros.outputs.further import Labels, Publish, Topics
from mtl_perception.ros.outputs.images import ImageWriter
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Result


class NormalsWriter(ImageWriter):
    """32FC3: x, y and z of the unit normal of each pixel's surface in the camera's optical frame, facing the camera."""

    topic = Topic("normals/image", Image, "unit normal of each pixel's surface, towards the camera (32FC3)", ("normals",), "camera")

    def fill(self, result: Result) -> Image | None:
        normals = result.scene.answers.get("normals")
        return None if normals is None else self.image(result.header, "32FC3", normals.vectors)


def topics(publish: Publish, labels: Labels) -> Topics:
    return Topics([NormalsWriter(publish(NormalsWriter.topic))])


TOPICS = (NormalsWriter.topic,)
