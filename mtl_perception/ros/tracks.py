# SPDX-License-Identifier: Apache-2.0
"""Identity over time: tracks beside the detections, and their ids in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from geometry_msgs.msg import Point, Vector3
from rclpy.lifecycle import LifecyclePublisher
from std_msgs.msg import Header

from mtl_perception.msg import Track as TrackMessage
from mtl_perception.msg import TrackArray
from mtl_perception.ros.writer import Result, Writer
from mtl_perception.tracking import Track, Tracker, TrackerSettings
from mtl_perception.transforms import inverse


@dataclass(frozen=True)
class Tracks:
    """What is tracked at one frame.

    Attributes:
        tracks: the confirmed ones by rising id, also those out of sight.
        is_in_fixed_frame: whether their positions are in the fixed frame; else in the camera's optical frame.
        detection_ids: for each of the scene's detections the id of its track as text; empty for one not confirmed yet.
    """

    tracks: list[Track]
    is_in_fixed_frame: bool
    detection_ids: Sequence[str]


class Tracking:
    """Follows what one camera sees."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        threshold = parameters["score_threshold"]
        self._tracker = Tracker(
            TrackerSettings(
                high_score=threshold,
                low_score=self.least_score,
                confirm_hits=parameters["tracking.confirm_hits"],
                keep_s=parameters["tracking.keep"],
            )
        )

    @property
    def least_score(self) -> float:
        """What the engine must find: tracks go on with detections too weak to be published."""
        return min(self._parameters["tracking.low_score"], self._parameters["score_threshold"])

    def apply(self, result: Result) -> Result:
        """The same frame with its tracks, and without the detections that were found for their sake alone."""
        found = result.scene.detections
        if found is None:
            return result
        threshold = self._parameters["score_threshold"]
        self._tracker.settings = replace(self._tracker.settings, high_score=threshold, low_score=self.least_score)
        boxes_3d = result.boxes_3d
        pose = None if boxes_3d is None else result.place.camera_pose
        stamp = result.header.stamp
        tracks = self._tracker.update(stamp.sec + stamp.nanosec * 1e-9, found, boxes_3d, pose)
        ids = [""] * len(found)
        for track in tracks:
            if track.is_seen:
                ids[track.detection] = str(track.id)
        strong = int((found.scores >= threshold).sum())
        return result.with_tracks(Tracks(tracks, self._tracker.is_in_fixed_frame, ids[:strong]), strong)


class TracksWriter(Writer):
    """``mtl_perception/TrackArray``: in the output frame if one is set, else in the fixed frame, else in the camera's."""

    tasks = ("detection",)
    helpful_tasks = ("segmentation", "depth")

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str], parameters: Mapping[str, Any]) -> None:
        super().__init__(publisher)
        self._labels = labels
        self._output_frame, self._fixed_frame = parameters["output_frame"], parameters["fixed_frame"]

    def fill(self, result: Result) -> TrackArray | None:
        if result.tracks is None:
            return None
        place, tracks, header = result.place, result.tracks.tracks, result.header
        if result.tracks.is_in_fixed_frame:
            header = Header(stamp=header.stamp, frame_id=self._fixed_frame)
        if self._output_frame:
            if place.to_output is None or (result.tracks.is_in_fixed_frame and place.camera_pose is None):
                return None
            to_output, header = place.to_output, place.output_header
            if result.tracks.is_in_fixed_frame:
                to_output = to_output @ inverse(place.camera_pose)
            tracks = [track.seen_from(to_output) for track in tracks]
        return TrackArray(header=header, tracks=[self._message(track) for track in tracks])

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
