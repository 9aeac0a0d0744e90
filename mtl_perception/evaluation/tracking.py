# SPDX-License-Identifier: Apache-2.0
"""How well identities are kept: MOTA, IDF1, HOTA, switches of identity, and re-identification after being hidden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mtl_perception.core.boxes import box_iou
from mtl_perception.core.scene import Scene
from mtl_perception.evaluation.hota import Frame, hota
from mtl_perception.pipeline import KnownPlacement, PipelineOptions, Postprocessor, TrackingOptions
from mtl_perception.tasks import Metric, Truth
from mtl_perception.tracking import Track
from mtl_perception.tracking.association import assign

MATCH_IOU = 0.5
"""Least overlap of a track's box with the true one for MOTA, IDF1 and what is counted."""
HIDDEN_S = 1.0
_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


class TrackingMetric(Metric):
    """Follows what the network detects as the node would, and compares identities with the true ones.

    The frames of a data set are one drive, in order and complete. All classes are scored together; boxes of different
    classes never match. Tracks of classes that the truth of the drive never shows are left out, as they are of average precision: nobody
    may have labelled these. MOTA and IDF1 come from py-motmetrics.

    Args:
        detection_labels, segmentation_labels: the model's.
        options: of the way to what is published.

    Raises:
        ImportError: py-motmetrics is missing; the text says how to install it.
    """

    task = "tracking"
    directions = {
        "HOTA": "higher",
        "MOTA": "higher",
        "IDF1": "higher",
        "DetA": "higher",
        "AssA": "higher",
        "switches": "lower",
        "known_again": "higher",
        "position_m": "lower",
        "velocity_m_s": "lower",
    }
    names = {
        "switches": "identity switches",
        "known_again": f"re-identified after ≥ {HIDDEN_S:g} s",
        "position_m": "position error, median (m)",
        "velocity_m_s": "velocity error, median (m/s)",
    }
    main = "HOTA"

    def __init__(
        self,
        detection_labels: Sequence[str],
        segmentation_labels: Sequence[str] = (),
        options: PipelineOptions = PipelineOptions(tracking=TrackingOptions()),
    ) -> None:
        try:
            import motmetrics  # noqa: F401
        except ImportError as error:
            raise ImportError(f"tracking is scored with py-motmetrics ({error}): pip install 'mtl-perception[evaluate]'") from None
        self._postprocess = Postprocessor(detection_labels, segmentation_labels, options)
        self._drives = [_Drive()]

    @classmethod
    def for_model(cls, card: Any) -> TrackingMetric:
        return cls(card.detection_labels, card.segmentation_labels)

    @staticmethod
    def pair(scene: Scene, truth: Truth) -> tuple | None:
        is_known = truth.track_ids is not None and truth.stamp_s is not None
        return (scene, truth) if is_known and scene.detections is not None else None

    def update(self, scene: Scene, truth: Truth) -> dict[str, float]:
        image_rgb = _NO_IMAGE if truth.image_rgb is None else truth.image_rgb
        frame = self._postprocess(scene, image_rgb, truth.intrinsics, truth.stamp_s, KnownPlacement(truth.camera_pose))
        self.add(frame.tracks.tracks, truth, frame.tracks.is_in_fixed_frame)
        return {}

    def add(self, tracks: Sequence[Track], truth: Truth, is_in_fixed_frame: bool) -> None:
        """Add one frame that was tracked elsewhere; as ``Tracker`` answers."""
        self._drives[-1].add(tracks, truth, is_in_fixed_frame)

    def compute(self) -> dict[str, Any]:
        import motmetrics

        frames = [drive.frames for drive in self._drives]
        columns = ["mota", "idf1", "num_switches", "num_fragmentations", "num_unique_objects", "mostly_tracked"]
        host = motmetrics.metrics.create()
        accumulators = [_accumulated(sequence) for sequence in frames]
        table = host.compute_many(accumulators, metrics=columns, generate_overall=True).loc["OVERALL"]
        hidden = [one for drive in self._drives for one in drive.known_again()]
        errors = np.array([one for drive in self._drives for one in drive.errors]).reshape(-1, 2)
        position_m, velocity_m_s = (_median(errors[:, column]) for column in (0, 1))
        return hota(frames) | {
            "MOTA": float(table["mota"]),
            "IDF1": float(table["idf1"]),
            "switches": int(table["num_switches"]),
            "fragmentations": int(table["num_fragmentations"]),
            "things": int(table["num_unique_objects"]),
            "mostly_tracked": int(table["mostly_tracked"]),
            "known_again": float(np.mean(hidden)) if hidden else float("nan"),
            "hidden": len(hidden),
            "position_m": position_m,
            "velocity_m_s": velocity_m_s,
        }


class _Drive:
    """One drive: its frames for the scores of identity, and how far off the places of tracks were.

    Attributes:
        errors: (metres, metres per second) of every matched track whose object has a known place, NaN where unknown.
    """

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._class_ids: list[np.ndarray] = []
        self._true_classes: set[int] = set()
        self.stamps_s: list[float] = []
        self.errors: list[tuple[float, float]] = []
        self._places: dict[int, tuple[float, np.ndarray]] = {}

    def add(self, tracks: Sequence[Track], truth: Truth, is_in_fixed_frame: bool) -> None:
        seen = [track for track in tracks if track.is_seen]
        boxes = np.array([track.box_xyxy for track in seen], np.float64).reshape(-1, 4)
        class_ids = np.array([track.class_id for track in seen], int)
        similarity = box_iou(np.asarray(truth.boxes_xyxy, np.float64), boxes)
        similarity[truth.class_ids[:, None] != class_ids] = 0.0
        frame = Frame(truth.track_ids, np.array([track.id for track in seen], int), similarity)
        self._frames.append(frame)
        self._class_ids.append(class_ids)
        self._true_classes.update(truth.class_ids.tolist())
        self.stamps_s.append(truth.stamp_s)
        if truth.boxes_3d is not None:
            pose = truth.camera_pose if is_in_fixed_frame else np.eye(4)
            if pose is not None:
                self._add_errors(seen, frame, truth, pose)

    @property
    def frames(self) -> list[Frame]:
        """Those so far, with the tracks of the classes that the truth has."""
        known = [np.isin(class_ids, list(self._true_classes)) for class_ids in self._class_ids]
        return [Frame(frame.true_ids, frame.found_ids[chosen], frame.similarity[:, chosen]) for frame, chosen in zip(self._frames, known)]

    def _add_errors(self, seen: Sequence[Track], frame: Frame, truth: Truth, pose: np.ndarray) -> None:
        centers = truth.boxes_3d.centers_m @ pose[:3, :3].T + pose[:3, 3]
        earlier, self._places = self._places, {}
        for id, center in zip(frame.true_ids.tolist(), centers):
            self._places[id] = truth.stamp_s, center
        for row, column in _matches(frame):
            track, id = seen[column], int(frame.true_ids[row])
            if track.position_m is None:
                continue
            off_m_s = float("nan")
            if id in earlier:
                before_s, before = earlier[id]
                velocity = (centers[row] - before) / (truth.stamp_s - before_s)
                off_m_s = float(np.linalg.norm(track.velocity_m_s - velocity))
            self.errors.append((float(np.linalg.norm(track.position_m - centers[row])), off_m_s))

    def known_again(self) -> Iterator[bool]:
        """Of each time that an object was hidden for ``HIDDEN_S`` or longer: whether its track was the same afterwards."""
        last_seen_s: dict[int, float] = {}
        last_track: dict[int, int] = {}
        asked: dict[int, int] = {}
        for stamp_s, frame in zip(self.stamps_s, self.frames):
            for id in frame.true_ids.tolist():
                if id in last_track and stamp_s - last_seen_s[id] >= HIDDEN_S - 1e-6:
                    asked[id] = last_track[id]
                last_seen_s[id] = stamp_s
            for row, column in _matches(frame):
                id, track = int(frame.true_ids[row]), int(frame.found_ids[column])
                last_track[id] = track
                if id in asked:
                    yield asked.pop(id) == track
        yield from (False for _ in asked)  # it came back and was not found any more


def _matches(frame: Frame) -> list[tuple[int, int]]:
    """(row of the truth, column of the tracks) of boxes that are the same."""
    rows, columns = assign(1 - frame.similarity, limit=1 - MATCH_IOU + 1e-9)
    return list(zip(rows.tolist(), columns.tolist()))


def _accumulated(sequence: Sequence[Frame]) -> Any:
    import motmetrics

    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for frame in sequence:
        distance = np.where(frame.similarity >= MATCH_IOU, 1 - frame.similarity, np.nan)
        accumulator.update(frame.true_ids, frame.found_ids, distance)
    return accumulator


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
