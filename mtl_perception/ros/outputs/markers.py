# SPDX-License-Identifier: Apache-2.0
"""3D boxes, their labels and the trails of tracks for RViz and Foxglove."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.lifecycle import LifecyclePublisher
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from mtl_perception.core.drawing import class_color
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Result, Writer
from mtl_perception.spatial.frames import places_above

_TRAIL_LENGTH = 100
_OPACITY = 0.4


class MarkersWriter(Writer):
    """``visualization_msgs/MarkerArray``: every message replaces the one before, so what is gone is gone.

    Namespaces: ``boxes``, ``labels`` and, where objects are tracked in a frame that stands still, ``trails``.
    """

    topic = Topic("markers", MarkerArray, "3D boxes, labels and trails for RViz and Foxglove", ("detection", "depth"), is_recorded=False)
    helpful_tasks = ("segmentation", "instances")

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str], parameters: Mapping[str, Any]) -> None:
        super().__init__(publisher)
        self._labels = labels
        self._colors = [_color(class_color(label)) for label in labels]
        self._fixed_frame = parameters["fixed_frame"]
        self._trails: dict[int, deque[Point]] = {}

    def fill(self, result: Result) -> MarkerArray | None:
        if result.output_boxes_3d is None:
            return None
        clear = Marker(header=result.place.output_header, action=Marker.DELETEALL)
        return MarkerArray(markers=[clear, *self._boxes(result), *self._lengthened_trails(result)])

    def _boxes(self, result: Result) -> Iterator[Marker]:
        header, found, boxes = result.place.output_header, result.scene.detections, result.output_boxes_3d
        above = places_above(boxes, is_level=result.place.up is not None)
        for number in boxes.valid.nonzero()[0].tolist():
            class_id = int(found.class_ids[number])
            yield Marker(
                header=header,
                ns="boxes",
                id=number,
                type=Marker.CUBE,
                pose=Pose(position=_point(boxes.centers_m[number]), orientation=_quaternion(boxes.quaternions_xyzw[number])),
                scale=Vector3(**dict(zip("xyz", boxes.sizes_m[number].tolist()))),
                color=self._colors[class_id],
            )
            track = "" if result.tracks is None else result.tracks.detection_ids[number]
            yield Marker(
                header=header,
                ns="labels",
                id=number,
                type=Marker.TEXT_VIEW_FACING,
                pose=Pose(position=_point(above[number])),
                scale=Vector3(z=0.08),
                color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0),
                text=f"{self._labels[class_id]} {found.scores[number]:.2f}" + (f" #{track}" if track else ""),
            )

    def _lengthened_trails(self, result: Result) -> Iterator[Marker]:
        """Where each track has been; those that ended are forgotten."""
        if result.tracks is None or not result.tracks.is_in_fixed_frame:
            self._trails.clear()
            return
        placed = {track.id: track for track in result.tracks.tracks if track.position_m is not None}
        self._trails = {number: self._trails.get(number, deque(maxlen=_TRAIL_LENGTH)) for number in placed}
        header = Header(stamp=result.header.stamp, frame_id=self._fixed_frame)
        for number, track in placed.items():
            self._trails[number].append(_point(track.position_m))
            if len(self._trails[number]) < 2:
                continue
            yield Marker(
                header=header,
                ns="trails",
                id=number,
                type=Marker.LINE_STRIP,
                scale=Vector3(x=0.02),
                color=self._colors[track.class_id],
                points=list(self._trails[number]),
            )


def _point(position_m) -> Point:
    return Point(**dict(zip("xyz", position_m.tolist())))


def _quaternion(xyzw) -> Quaternion:
    return Quaternion(**dict(zip("xyzw", xyzw.tolist())))


def _color(rgb: tuple[int, int, int]) -> ColorRGBA:
    red, green, blue = (value / 255 for value in rgb)
    return ColorRGBA(r=red, g=green, b=blue, a=_OPACITY)
