# SPDX-License-Identifier: Apache-2.0
"""Tracks to messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geometry_msgs.msg import Point, Vector3
from rclpy.lifecycle import LifecyclePublisher
from std_msgs.msg import Header

from mtl_perception.core.transforms import inverse
from mtl_perception.msg import Track as TrackMessage
from mtl_perception.msg import TrackArray
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Result, Writer
from mtl_perception.tracking import Track


class PlacedTracks:
    """Brings tracks into the output frame if one is set, else the fixed frame, else the camera's."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._output_frame, self._fixed_frame = parameters["output_frame"], parameters["fixed_frame"]

    def __call__(self, result: Result) -> tuple[Header | None, list[Track]]:
        """Returns the header and the tracks of a frame with tracks; no header where the frame's transform is not known."""
        place, tracks, header = result.place, result.tracks.tracks, result.header
        if result.tracks.is_in_fixed_frame:
            header = Header(stamp=header.stamp, frame_id=self._fixed_frame)
        if self._output_frame:
            if place.to_output is None or (result.tracks.is_in_fixed_frame and place.camera_pose is None):
                return None, []
            to_output, header = place.to_output, place.output_header
            if result.tracks.is_in_fixed_frame:
                to_output = to_output @ inverse(place.camera_pose)
            tracks = [track.seen_from(to_output) for track in tracks]
        return header, tracks


class TracksWriter(Writer):
    """``mtl_perception/TrackArray``: in the output frame if one is set, else in the fixed frame, else in the camera's."""

    topic = Topic(
        "tracks",
        TrackArray,
        "objects over time, with position and velocity where the depth is known",
        ("detection",),
        missing_when="tracking.enabled is false",
    )
    helpful_tasks = ("segmentation", "depth", "instances")

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str], parameters: Mapping[str, Any]) -> None:
        super().__init__(publisher)
        self._labels = labels
        self._placed = PlacedTracks(parameters)

    def fill(self, result: Result) -> TrackArray | None:
        if result.tracks is None:
            return None
        header, tracks = self._placed(result)
        return None if header is None else TrackArray(header=header, tracks=[self._message(track) for track in tracks])

    def _message(self, track: Track) -> TrackMessage:
        x_min, y_min, x_max, y_max = track.box_xyxy.tolist()
        message = TrackMessage(
            id=track.id,
            class_id=self._labels[track.class_id],
            score=track.score,
            in_sight=track.is_seen,
            age_s=track.age_s,
            unseen_s=track.unseen_s,
            x_min=x_min,
            y_min=y_min,
            x_max=x_max,
            y_max=y_max,
        )
        if track.position_m is not None:
            message.has_position = True
            message.position = Point(**dict(zip("xyz", track.position_m.tolist())))
            message.velocity = Vector3(**dict(zip("xyz", track.velocity_m_s.tolist())))
            message.position_covariance = track.covariance[:3, :3].ravel()
            message.velocity_covariance = track.covariance[3:, 3:].ravel()
        return message
