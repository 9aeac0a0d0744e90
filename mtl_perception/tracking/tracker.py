# SPDX-License-Identifier: Apache-2.0
"""Detections to tracks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtl_perception.core.scene import SCORE_THRESHOLD, Detections
from mtl_perception.tracking.appearance import LENGTH, with_looks
from mtl_perception.tracking.association import assign_pairs, paired_iou
from mtl_perception.tracking.gallery import Gallery, Sightings, sighting_noise
from mtl_perception.tracking.kalman import ConstantVelocity, IsotropicVelocity
from mtl_perception.tracking.symmetric import mahalanobis_squared, paired_mahalanobis_squared
from mtl_perception.tracking.track import Track

if TYPE_CHECKING:
    from mtl_perception.core.scene import Boxes3D

_GATE, _VETO = 11.34, 30.66
"""Squared Mahalanobis distances that 99 % and 99.9999 % of true pairs stay below (χ², three degrees of freedom)."""
_SURE = 0.1 * _GATE
"""Within it of a remembered place a detection may be too weak to begin a track by itself."""
_AT_REST_M_S = 0.1
"""Slower objects stay where they are."""

_LOOK_RATE = 0.1
"""Share of the newest sighting in how a track looks."""

# Spreads in the image as shares of a box's mean side, after ByteTrack's at 30 Hz.
_BOX_NOISE, _BOX_DRIFT, _BOX_ACCELERATION, _BOX_SPEED = 0.05, 0.25, 1.0, 2.0

_ROWS = ("_ids", "_class_ids", "_scores", "_first_s", "_seen_s", "_hits", "_seen_places", "_seen_noise", "_looks")
"""Names of the arrays that hold one entry for each track, beside its filters."""


@dataclass(frozen=True)
class TrackerSettings:
    """How identities are kept.

    Attributes:
        high_score: detections from here on are matched first.
        low_score: weaker ones than this are not looked at; those between continue tracks that nothing better continued.
        begin_score: of those, detections from here on begin new tracks; weaker ones only where the gallery knows somebody.
        confirm_hits: successive frames in which a new object must be seen before it gets an id.
        keep_s: how long an object that is out of sight is followed; a gap in time longer than that ends every track.
        gallery_s: how long after it was last seen an object that comes back to its place in the fixed frame gets its id again; 0 never.
        appearance: cost of pairs that look wholly different, where looks are known. Whatever costs 1 or more is no pair: the same
            box or place costs nothing, one at the limit of what is possible 1.
        min_iou: least overlap of a detection with a track's predicted box where their places in space are not compared.
        acceleration_m_s2: how abruptly objects change their velocity (root of the power density, m/s²/√Hz).
        speed_m_s: how fast objects may be when they are first seen (standard deviation, each axis).
        position_std_m: least uncertainty of a measured position: visible parts shift what is taken for the middle.

    Raises:
        ValueError: a value is out of range.
    """

    high_score: float = SCORE_THRESHOLD
    low_score: float = 0.1
    begin_score: float = 0.4
    confirm_hits: int = 2
    keep_s: float = 3.0
    gallery_s: float = 300.0
    appearance: float = 0.8
    min_iou: float = 0.2
    acceleration_m_s2: float = 0.3
    speed_m_s: float = 0.4
    position_std_m: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.low_score <= self.high_score <= 1:
            raise ValueError(f"tracking: low_score is {self.low_score} and high_score {self.high_score}, expected 0 ≤ low ≤ high ≤ 1")
        if not 0 <= self.begin_score <= 1:
            raise ValueError(f"tracking: begin_score is {self.begin_score}, expected 0 to 1")
        if not 0 <= self.appearance <= 10:
            raise ValueError(f"tracking: appearance is {self.appearance}, expected 0 to 10")
        if self.confirm_hits < 1:
            raise ValueError(f"tracking: confirm_hits is {self.confirm_hits}, expected 1 or more")
        if not 0 <= self.min_iou < 1:
            raise ValueError(f"tracking: min_iou is {self.min_iou}, expected 0 to below 1")
        if not (math.isfinite(self.gallery_s) and self.gallery_s >= 0):
            raise ValueError(f"tracking: gallery_s is {self.gallery_s}, expected 0 or a positive number")
        for name in ("keep_s", "acceleration_m_s2", "speed_m_s", "position_std_m"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"tracking: {name} is {value}, expected a positive number")


class Tracker:
    """Keeps the identities of one camera's objects. Not thread-safe.

    Two-stage association as in ByteTrack (Zhang et al., ECCV 2022): the sure detections are matched first, then the unsure
    ones to the tracks in sight that are left, for an object half hidden is often detected weakly. A pair is possible if
    both are of one class and either the boxes overlap or the places in space agree (Mahalanobis distance over the
    uncertainties of both), and if neither these places nor their looks contradict it. Other than there, tentative tracks take part in
    the first stage: places reach farther than boxes, and a track whose object is hidden would take the detection of its
    neighbour that is new.

    Life of a track: tentative until it was seen in ``confirm_hits`` successive frames, then confirmed; out of sight it
    moves on by itself, and ends after ``keep_s``. Where its place in a fixed frame was known, the gallery remembers it: who
    is confirmed there gets the old id. A stamp that goes back (a bag that starts again) ends every track and the gallery.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._next_id = 1
        self._gallery = Gallery()
        self.reset()

    def reset(self) -> None:
        """Forget every track and the gallery. Ids go on: one that was given once never comes to mean another object."""
        self._gallery.clear()
        self._end_tracks()

    def _end_tracks(self) -> None:
        self._boxes = IsotropicVelocity(4)  # centre x and y, width, height
        self._places = ConstantVelocity()
        self._ids = np.zeros(0, np.int64)  # 0: tentative
        self._class_ids = np.zeros(0, np.int64)
        self._scores, self._first_s, self._seen_s = np.zeros((3, 0))
        self._hits = np.zeros(0, np.int64)
        # As they were last seen in the fixed frame; NaN where they never were.
        self._seen_places, self._seen_noise = np.zeros((0, 3)), np.zeros((0, 3, 3))
        self._looks = np.zeros((0, LENGTH), np.float32)  # means over time; NaN where they never were known
        self._stamp_s: float | None = None
        self._posed_s: float | None = None

    @property
    def is_in_fixed_frame(self) -> bool:
        """Whether positions are in the frame that ``camera_pose`` leads to; else they are in the camera's."""
        return self._posed_s is not None

    def update(
        self,
        stamp_s: float,
        detections: Detections,
        boxes_3d: Boxes3D | None = None,
        camera_pose: np.ndarray | None = None,
        is_strong: np.ndarray | None = None,
        looks: np.ndarray | None = None,
    ) -> list[Track]:
        """Take in one frame.

        Args:
            stamp_s: when the image was taken, seconds.
            detections: of this frame, those between ``low_score`` and ``high_score`` included.
            boxes_3d: parallel to ``detections``, in the camera's optical frame.
            camera_pose: (4, 4) optical frame → a frame that does not move, at ``stamp_s``. Without one, places are tracked
                in the camera's own frame. If it is missing now and then, such frames are matched in the image alone.
            looks: (M, LENGTH) of ``appearance.looks``; without them nobody's looks are compared.
            is_strong: (M,) bool, the detections that count as ``high_score`` and better, where that differs by class.

        Returns:
            The confirmed tracks by rising id, also those out of sight.
        """
        self._go_to(stamp_s)
        places, noise = self._measured_places(detections, boxes_3d, camera_pose)
        found = _Found(detections, places, noise, looks)
        if camera_pose is not None and boxes_3d is not None and self.settings.gallery_s > 0:
            found.sighting_noise = sighting_noise(noise, places, np.asarray(boxes_3d.sizes_m, np.float64), camera_pose[:3, 3])
        strong = found.scores >= self.settings.high_score if is_strong is None else is_strong
        weak = ~strong & (found.scores >= self.settings.low_score)
        confirmed, in_sight = self._ids > 0, self._in_sight
        detection = np.full(len(self._ids), -1)
        self._match(detection, np.ones(len(detection), bool), found, strong)
        self._match(detection, confirmed & in_sight, found, weak)
        self._correct(detection, found)
        kept = (self._ids > 0) | (detection >= 0)
        self._keep(kept)
        free = strong.copy()
        free[detection[detection >= 0]] = False
        is_sure = found.scores >= self.settings.begin_score
        new = np.flatnonzero(free & is_sure)
        self._begin(new, found)
        again = self._begin_again(np.flatnonzero(free & ~is_sure), found)
        detection = np.concatenate([detection[kept], new, again])
        self._note_sightings(detection, found)
        self._confirm()
        self._stamp_s = stamp_s
        return self._tracks(detection)

    @property
    def _in_sight(self) -> np.ndarray:
        """(N,) bool: seen in the last frame."""
        return self._seen_s == self._last_s

    def _go_to(self, stamp_s: float) -> None:
        """Predict every track at this moment; end those too long unseen, and all if time jumped."""
        settings = self.settings
        if not math.isfinite(stamp_s):
            raise ValueError(f"tracking: stamp is {stamp_s} s, expected a finite number")
        if self._stamp_s is not None and stamp_s < self._stamp_s:
            self.reset()
        self._remember(stamp_s - self._seen_s > settings.keep_s)
        self._gallery.forget(stamp_s - settings.gallery_s)
        if self._stamp_s is not None and stamp_s - self._stamp_s > settings.keep_s:
            self._end_tracks()
        self._last_s = self._stamp_s
        dt_s = 0.0 if self._stamp_s is None else stamp_s - self._stamp_s
        self._now_s = stamp_s
        self._keep(stamp_s - self._seen_s <= settings.keep_s)
        if self._last_s is not None:
            self._boxes.velocity[~self._in_sight, 2:] = 0.0  # an object that vanished must not go on shrinking
        side = self._boxes.position[:, 2:].mean(1)
        self._boxes.predict(dt_s, _BOX_ACCELERATION * side, _BOX_DRIFT * side)
        self._boxes.position[:, 2:] = self._boxes.position[:, 2:].clip(min=1.0)
        self._places.predict(dt_s, settings.acceleration_m_s2)

    def _measured_places(
        self, detections: Detections, boxes_3d: Boxes3D | None, camera_pose: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(M, 3) positions in the tracker's frame and (M, 3, 3) covariances; NaN where a detection has none."""
        count = len(detections)
        places, noise = np.full((count, 3), np.nan), np.full((count, 3, 3), np.nan)
        if camera_pose is not None:
            if self._posed_s is None:
                self._forget_places()
            self._posed_s = self._now_s
        elif self._posed_s is not None:
            if self._now_s - self._posed_s <= self.settings.keep_s:
                return places, noise
            self._forget_places()
            self._posed_s = None
        if boxes_3d is None:
            return places, noise
        if len(boxes_3d.valid) != count:
            raise ValueError(f"tracking: {len(boxes_3d.valid)} 3D boxes for {count} detections, expected one for each")
        pose = np.eye(4) if camera_pose is None else np.asarray(camera_pose, np.float64)
        centers = np.asarray(boxes_3d.centers_m, np.float64)
        covariances = np.asarray(boxes_3d.center_covariances_m2, np.float64)
        known = np.asarray(boxes_3d.valid, bool) & np.isfinite(centers).all(1) & np.isfinite(covariances).all((1, 2))
        rotation = pose[:3, :3]
        places[known] = centers[known] @ rotation.T + pose[:3, 3]
        least = self.settings.position_std_m**2 * np.eye(3)
        # R C Rᵀ of all at once: as the product of the rows' nine numbers with the transposed Kronecker product of R and R.
        twice = (rotation.T[:, None, :, None] * rotation.T[None, :, None, :]).reshape(9, 9)
        noise[known] = (covariances[known].reshape(-1, 9) @ twice).reshape(-1, 3, 3) + least
        return places, noise

    def _forget_places(self) -> None:
        self._places = ConstantVelocity()
        self._places.extend(len(self._ids))

    def _match(self, detection: np.ndarray, tracks: np.ndarray, found: _Found, wanted: np.ndarray) -> None:
        """Give tracks out of ``tracks`` a detection out of ``wanted``, where neither has a partner; into ``detection``."""
        free = wanted.copy()
        free[detection[detection >= 0]] = False
        rows, columns = np.flatnonzero(tracks & (detection < 0)), np.flatnonzero(free)
        if len(rows) and len(columns):
            matched, partners = assign_pairs(*self._possible(rows, columns, found))
            detection[rows[matched]] = columns[partners]

    def _possible(self, rows: np.ndarray, columns: np.ndarray, found: _Found) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The pairs of ``rows`` (N,) and ``columns`` (M,) that are possible: (P,) the place of each in both, and its cost
        from 0, the same place and box, to below 1."""
        boxes, seen_boxes = _corners(self._boxes.position[rows]).astype(np.float32), found.boxes_xyxy[columns]
        places, spread = self._places.position[rows], self._places.position_covariance[rows]
        seen, noise = found.places[columns], found.noise[columns]
        # What most pairs fail at comes first, for all at once and in single precision.
        (left, top, right, bottom), (left_2, top_2, right_2, bottom_2) = boxes.T[:, :, None], seen_boxes.T[:, None, :]
        possible = (left < right_2) & (left_2 < right) & (top < bottom_2) & (top_2 < bottom)
        # No distance is within the gate that is beyond it for the largest spread, and a trace is no less than that. With
        # NaN, where a place is not known, comparisons are false: the boxes alone decide.
        x, y, z = places.T.astype(np.float32, "C")[:, :, None] - seen.T.astype(np.float32, "C")[:, None, :]
        traces = [np.trace(one, axis1=1, axis2=2).astype(np.float32) for one in (spread, noise)]
        # With a margin for that precision.
        reach = np.float32(1.001 * _GATE)
        possible |= x * x + y * y + z * z <= (reach * traces[0])[:, None] + reach * traces[1]
        possible &= self._class_ids[rows][:, None] == found.class_ids[columns]

        i, j = np.divmod(np.flatnonzero(possible), len(columns))  # a third of the time of np.nonzero
        apart = 1 - paired_iou(boxes[i], seen_boxes[j])
        squared = paired_mahalanobis_squared(places, spread, i, seen, noise, j)
        chosen = ((apart <= 1 - self.settings.min_iou) | (squared <= _GATE)) & ~(squared > _VETO)
        cost = np.where(np.isnan(squared), apart, (2 * apart + np.minimum(squared / _GATE, 1.0)) / 3)
        chosen &= cost < 1
        i, j, cost = i[chosen], j[chosen], cost[chosen]
        if self.settings.appearance == 0:
            return i, j, cost
        cost = with_looks(cost, self._looks[rows[i]], found.looks[columns[j]], self.settings.appearance)
        alike = cost < 1
        return i[alike], j[alike], cost[alike]

    def _correct(self, detection: np.ndarray, found: _Found) -> None:
        rows = np.flatnonzero(detection >= 0)
        columns = detection[rows]
        self._boxes.update(rows, found.centred[columns], found.box_noise[columns])
        has_place = ~np.isnan(found.places[columns, 0])
        known = has_place & self._places.is_started[rows]
        self._places.update(rows[known], found.places[columns[known]], found.noise[columns[known]], _GATE)
        self._start_places(rows[has_place & ~known], columns[has_place & ~known], found)
        self._scores[rows] = found.scores[columns]
        self._seen_s[rows] = self._now_s
        self._hits[rows] += 1
        known, new = self._looks[rows], found.looks[columns]
        mean = known + _LOOK_RATE * (new - known)
        if (half := np.isnan(mean[:, 0])).any():  # one of them is not known
            mean[half] = np.where(np.isnan(new[half]), known[half], new[half])
        self._looks[rows] = mean

    def _begin(self, columns: np.ndarray, found: _Found) -> None:
        count = len(columns)
        if not count:
            return
        self._places.extend(count)
        rows = np.arange(len(self._ids), len(self._ids) + count)
        # What turns the camera moves everything: a new box is expected to go where the others go.
        settled = (self._hits > 1) & (self._seen_s == self._now_s)
        flow = np.zeros(4)
        if np.count_nonzero(settled) >= 3:
            flow[:2] = _medians(self._boxes.velocity[: len(self._ids)][settled, :2])
        speed = _BOX_SPEED * found.centred[columns, 2:].mean(1)
        self._boxes.add(found.centred[columns], found.box_noise[columns], flow, speed)
        has_place = ~np.isnan(found.places[columns, 0])
        self._start_places(rows[has_place], columns[has_place], found)
        now = np.full(count, self._now_s)
        self._ids = np.concatenate([self._ids, np.zeros(count, np.int64)])
        self._class_ids = np.concatenate([self._class_ids, found.class_ids[columns]])
        self._scores = np.concatenate([self._scores, found.scores[columns]])
        self._hits = np.concatenate([self._hits, np.ones(count, np.int64)])
        self._looks = np.concatenate([self._looks, found.looks[columns]])
        self._first_s, self._seen_s = np.concatenate([self._first_s, now]), np.concatenate([self._seen_s, now])
        self._seen_places = np.concatenate([self._seen_places, np.full((count, 3), np.nan)])
        self._seen_noise = np.concatenate([self._seen_noise, np.full((count, 3, 3), np.nan)])

    def _begin_again(self, columns: np.ndarray, found: _Found) -> np.ndarray:
        """Begin tracks, with the ids that they had, of detections too weak for it that are surely in the place of a remembered object
        and look like it; without looks they would as often be somebody else.

        Returns:
            Those of ``columns`` that were begun.
        """
        if self.settings.appearance == 0 or found.sighting_noise is None or not len(self._gallery):
            return columns[:0]
        columns = columns[~np.isnan(found.looks[columns, 0])]
        ids, moments = np.zeros(len(columns), np.int64), np.full(len(columns), self._now_s)
        seen = Sightings(
            ids, found.class_ids[columns], found.places[columns], found.sighting_noise[columns], moments, moments, found.looks[columns]
        )
        chosen, known = self._gallery.claim(seen, self._now_s, self.settings.appearance, _SURE)
        first = len(self._ids)
        self._begin(columns[chosen], found)
        self._ids[first:], self._first_s[first:] = known.ids, known.first_s
        return columns[chosen]

    def _note_sightings(self, detection: np.ndarray, found: _Found) -> None:
        """Keep where the tracks in sight are in the fixed frame; nowhere if they move, for who knows where they will be."""
        if found.sighting_noise is None:
            return
        rows = np.flatnonzero(detection >= 0)
        rows = rows[~np.isnan(found.places[detection[rows], 0])]
        self._seen_noise[rows] = found.sighting_noise[detection[rows]]
        velocity = self._places.velocity[rows]
        moves = (np.square(velocity).sum(1) > _AT_REST_M_S**2) & (
            mahalanobis_squared(velocity, self._places.covariance[rows, 3:, 3:]) > _GATE
        )
        self._seen_places[rows] = np.where(moves[:, None], np.nan, self._places.position[rows])

    def _sightings(self, rows: np.ndarray) -> Sightings:
        return Sightings(
            self._ids[rows],
            self._class_ids[rows],
            self._seen_places[rows],
            self._seen_noise[rows],
            self._first_s[rows],
            self._seen_s[rows],
            self._looks[rows],
        )

    def _remember(self, lost: np.ndarray) -> None:
        """Put the confirmed of the tracks that ``lost``, (N,) bool, chooses into the gallery."""
        if self.settings.gallery_s > 0 and (lost := lost & (self._ids > 0)).any():
            self._gallery.remember(self._sightings(np.flatnonzero(lost)))

    def _start_places(self, rows: np.ndarray, columns: np.ndarray, found: _Found) -> None:
        self._places.start(rows, found.places[columns], found.noise[columns], np.zeros(3), self.settings.speed_m_s)

    def _confirm(self) -> None:
        """Give ids to what was seen often enough: that of an object which the gallery remembers there, else a new one."""
        ready = np.flatnonzero((self._ids == 0) & (self._hits >= self.settings.confirm_hits))
        if len(ready) and len(self._gallery) and self._posed_s == self._now_s:
            chosen, known = self._gallery.claim(self._sightings(ready), self._now_s, self.settings.appearance)
            self._ids[ready[chosen]], self._first_s[ready[chosen]] = known.ids, known.first_s
            ready = np.delete(ready, chosen)
        self._ids[ready] = self._next_id + np.arange(len(ready))
        self._next_id += len(ready)

    def _keep(self, chosen: np.ndarray) -> None:
        if chosen.all():
            return
        self._boxes.keep(chosen)
        self._places.keep(chosen)
        for name in _ROWS:
            setattr(self, name, getattr(self, name)[chosen])

    def _tracks(self, detection: np.ndarray) -> list[Track]:
        confirmed = np.flatnonzero(self._ids > 0)
        rows = confirmed[np.argsort(self._ids[confirmed])]
        spatial = [list(values[rows]) for values in (self._places.position, self._places.velocity, self._places.covariance)]
        for unplaced in np.flatnonzero(~self._places.is_started[rows]):
            for values in spatial:
                values[unplaced] = None
        return list(
            map(
                Track,
                self._ids[rows].tolist(),
                self._class_ids[rows].tolist(),
                self._scores[rows].tolist(),
                _corners(self._boxes.position[rows]).astype(np.float32),
                *spatial,
                (self._now_s - self._first_s[rows]).tolist(),
                (self._now_s - self._seen_s[rows]).tolist(),
                detection[rows].tolist(),
            )
        )


class _Found:
    """The detections of one frame as the filters want them, and their places in space.

    Attributes:
        sighting_noise: (M, 3, 3), for the gallery; None where places are not in the fixed frame.
    """

    def __init__(self, detections: Detections, places: np.ndarray, noise: np.ndarray, looks: np.ndarray | None = None) -> None:
        self.boxes_xyxy = np.asarray(detections.boxes_xyxy, np.float32).reshape(-1, 4)
        self.scores = np.asarray(detections.scores, np.float64)
        self.class_ids = np.asarray(detections.class_ids, np.int64)
        self.places, self.noise = places, noise
        self.looks = np.full((len(self.scores), LENGTH), np.nan, np.float32) if looks is None else looks
        self.sighting_noise: np.ndarray | None = None
        sides = (self.boxes_xyxy[:, 2:] - self.boxes_xyxy[:, :2]).clip(min=1.0)
        self.centred = np.concatenate([(self.boxes_xyxy[:, :2] + self.boxes_xyxy[:, 2:]) / 2, sides], 1)
        self.box_noise = np.square(_BOX_NOISE * sides.mean(1))


def _medians(values: np.ndarray) -> np.ndarray:
    """(K,) of the columns of (N, K); ``np.median`` takes ten times as long for so few."""
    ordered, middle = np.sort(values, axis=0), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _corners(centred: np.ndarray) -> np.ndarray:
    """Centre and size (N, 4) → x1, y1, x2, y2."""
    half = centred[:, 2:] / 2
    return np.concatenate([centred[:, :2] - half, centred[:, :2] + half], 1)
