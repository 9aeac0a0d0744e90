# SPDX-License-Identifier: Apache-2.0
"""People, for navigation that keeps its distance from them.

Not every ROS brings people_msgs: without it there is no such topic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from geometry_msgs.msg import Point
from rclpy.lifecycle import LifecyclePublisher

from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.tracks import PlacedTracks
from mtl_perception.ros.outputs.writer import Result, Writer

try:
    from people_msgs.msg import People, Person  # pyright: ignore[reportMissingImports]
except ImportError:
    People = Person = cast(Any, None)

PERSON = frozenset({"person", "pedestrian"})
"""Names of detection classes that are people."""


def person_ids(labels: Sequence[str]) -> frozenset[int]:
    """Returns the numbers of the ``PERSON`` classes among a model's ``labels``."""
    return frozenset(number for number, label in enumerate(labels) if label.lower() in PERSON)


class PeopleWriter(Writer):
    """``people_msgs/People``: where each person is, also those out of sight for a moment, in the frame of the tracks.

    The name is the track's id, ``reliability`` the score. Without tracking nobody has a name or a velocity, and the frame is the
    output frame. Nothing while the camera is not calibrated, or while its place in that frame is not known.
    """

    topic = Topic(
        "people",
        People,  # pyright: ignore[reportArgumentType]
        "people with position, velocity and, where they are tracked, their ids",
        ("detection", "depth"),
        missing_when="the model has no class person",
    )
    helpful_tasks = ("segmentation", "instances")

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str], parameters: Mapping[str, Any]) -> None:
        super().__init__(publisher)
        self._ids = person_ids(labels)
        self._placed = PlacedTracks(parameters)

    def fill(self, result: Result) -> Any:
        if result.boxes_3d is None:
            return None
        if result.tracks is None:
            if result.output_boxes_3d is None:
                return None
            return People(header=result.place.output_header, people=list(self._detected(result)))
        header, tracks = self._placed(result)
        return None if header is None else People(header=header, people=list(self._tracked(tracks)))

    def _tracked(self, tracks: Sequence[Any]) -> Iterator[Any]:
        for track in tracks:
            if track.class_id in self._ids and track.position_m is not None:
                position, velocity = _point(track.position_m), _point(track.velocity_m_s)
                yield Person(name=str(track.id), position=position, velocity=velocity, reliability=track.score)

    def _detected(self, result: Result) -> Iterator[Any]:
        found, boxes = result.scene.detections, result.output_boxes_3d
        for number in boxes.valid.nonzero()[0].tolist():
            if int(found.class_ids[number]) in self._ids:
                yield Person(position=_point(boxes.centers_m[number]), reliability=float(found.scores[number]))


def _point(xyz: Any) -> Point:
    return Point(**dict(zip("xyz", xyz.tolist())))
