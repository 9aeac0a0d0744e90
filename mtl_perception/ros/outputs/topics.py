# SPDX-License-Identifier: Apache-2.0
"""The table of the node's output topics."""

from __future__ import annotations

from mtl_perception.msg import PerceptionStatus
from mtl_perception.ros.outputs.detections import DetectionsWriter
from mtl_perception.ros.outputs.detections_3d import Detections3DWriter
from mtl_perception.ros.outputs.free_space import FreeSpaceWriter
from mtl_perception.ros.outputs.further import described
from mtl_perception.ros.outputs.images import ConfidenceWriter, DepthInfoWriter, DepthSourceWriter, DepthWriter, MaskWriter, OverlayWriter
from mtl_perception.ros.outputs.markers import MarkersWriter
from mtl_perception.ros.outputs.people import People, PeopleWriter
from mtl_perception.ros.outputs.points import PointsWriter
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.tracks import TracksWriter
from mtl_perception.ros.outputs.writer import Writer

WRITERS: tuple[type[Writer], ...] = (
    DepthWriter,
    DepthInfoWriter,
    DepthSourceWriter,
    PointsWriter,
    MaskWriter,
    ConfidenceWriter,
    DetectionsWriter,
    Detections3DWriter,
    MarkersWriter,
    TracksWriter,
    FreeSpaceWriter,
    *(() if People is None else (PeopleWriter,)),
    OverlayWriter,
)

STATUS = Topic("status", PerceptionStatus, "times of the stages, numbers of frames, the tasks that run")

TOPICS: dict[str, Topic] = {
    topic.name: topic for topic in (*(writer.topic for writer in WRITERS), MaskWriter.label_info, *described(), STATUS)
}
"""Name → topic, of everything that a node may publish beside ``/diagnostics``."""
