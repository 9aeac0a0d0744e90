# SPDX-License-Identifier: Apache-2.0
"""Detections to tracks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mtl_perception.core.scene import Detections
from mtl_perception.tracking.association import assign_pairs
from mtl_perception.tracking.found import Found
from mtl_perception.tracking.gallery import Gallery, Sightings
from mtl_perception.tracking.kalman import GATE
from mtl_perception.tracking.matching import possible_pairs
from mtl_perception.tracking.objects import Objects
from mtl_perception.tracking.settings import TrackerSettings
from mtl_perception.tracking.track import Track

if TYPE_CHECKING:
    from mtl_perception.core.scene import Boxes3D

_SURE = 0.3 * GATE
"""Within it of a remembered place a detection may be too weak to begin a track by itself."""


class Tracker:
    """Keeps the identities of one camera's objects. Not thread-safe.

    Two-stage association as in ByteTrack (Zhang et al., ECCV 2022): the sure detections are matched first, then the unsure
    ones to the tracks in sight that are left, for an object half hidden is often detected weakly. A pair is possible if
    both are of one class and either the boxes overlap or the places in space agree (Mahalanobis distance over the
    uncertainties of both), and if neither these places nor their looks contradict it. Other than there, tentative tracks take part in
    the first stage: places reach farther than boxes, and a track whose object is hidden would take the detection of its
    neighbour that is new.

    A detection that lies mostly in the box of a track's detection, or holds it, begins no track where both are of one class and
    their places may be the same: it shows a part of that object, or the object with its surroundings.

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
        self._objects = Objects()
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
        in_sight = self._go_to(stamp_s)
        settings, objects = self.settings, self._objects
        if not self._are_places_known(camera_pose):
            boxes_3d = None
        found = Found(detections, boxes_3d, camera_pose, settings.position_std_m, looks, is_remembered=settings.gallery_s > 0)
        strong = found.scores >= settings.high_score if is_strong is None else is_strong
        weak = ~strong & (found.scores >= settings.low_score)
        detection = np.full(len(objects), -1)
        free = strong.copy()
        self._match(detection, detection < 0, found, free)
        self._match(detection, (detection < 0) & (objects.ids > 0) & in_sight, found, weak)
        rows = np.flatnonzero(detection >= 0)
        objects.correct(rows, detection[rows], found, stamp_s, settings.speed_m_s)
        kept = (objects.ids > 0) | (detection >= 0)
        objects.keep(kept)
        is_sure = found.scores >= settings.begin_score
        fresh = np.flatnonzero(free)
        if len(fresh):
            free[fresh] = ~found.repeated(fresh, detection[rows])
        new = np.flatnonzero(free & is_sure)
        objects.begin(new, found, stamp_s, settings.speed_m_s)
        again = self._begin_again(np.flatnonzero(free & ~is_sure), found)
        detection = np.concatenate([detection[kept], new, again])
        rows = np.flatnonzero(detection >= 0)
        objects.note_sightings(rows, detection[rows], found)
        self._confirm()
        self._stamp_s = stamp_s
        return objects.tracks(detection, stamp_s)

    def _go_to(self, stamp_s: float) -> np.ndarray:
        """Predict every track at this moment; end those too long unseen, and all if time jumped.

        Returns:
            (N,) bool: the tracks that were seen in the last frame.
        """
        settings = self.settings
        if not math.isfinite(stamp_s):
            raise ValueError(f"tracking: stamp is {stamp_s} s, expected a finite number")
        if self._stamp_s is not None and stamp_s < self._stamp_s:
            self.reset()
        lost = stamp_s - self._objects.seen_s > settings.keep_s
        if lost.any():
            self._remember(lost)
        self._gallery.forget(stamp_s - settings.gallery_s)
        if self._stamp_s is not None and stamp_s - self._stamp_s > settings.keep_s:
            self._end_tracks()
        elif lost.any():
            self._objects.keep(~lost)
        objects, self._now_s = self._objects, stamp_s
        if self._stamp_s is None:
            return np.zeros(len(objects), bool)
        in_sight = objects.seen_s == self._stamp_s
        objects.predict(stamp_s - self._stamp_s, settings.acceleration_m_s2, ~in_sight)
        return in_sight

    def _are_places_known(self, camera_pose: np.ndarray | None) -> bool:
        """Whether this frame's places are in the tracks' frame. Tracks forget theirs where the frame changes."""
        if camera_pose is not None:
            if self._posed_s is None:
                self._objects.forget_places()
            self._posed_s = self._now_s
        elif self._posed_s is not None:
            if self._now_s - self._posed_s <= self.settings.keep_s:
                return False
            self._objects.forget_places()
            self._posed_s = None
        return True

    def _match(self, detection: np.ndarray, tracks: np.ndarray, found: Found, free: np.ndarray) -> None:
        """Give the ``tracks`` (N,) bool, which have no partner, a detection out of ``free`` (M,) bool; into ``detection``, and out of ``free``."""
        rows, columns = np.flatnonzero(tracks), np.flatnonzero(free)
        if len(rows) and len(columns):
            seen = found.side(columns)
            pairs = possible_pairs(self._objects.expected(rows), seen, self.settings.min_iou, self.settings.appearance)
            matched, partners = assign_pairs(*pairs)
            detection[rows[matched]] = columns[partners]
            free[columns[partners]] = False

    def _begin_again(self, columns: np.ndarray, found: Found) -> np.ndarray:
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
            ids,
            found.class_ids[columns],
            found.places[:, columns].T,
            found.sighting_noise[:, columns].T,
            moments,
            moments,
            found.looks[columns],
        )
        chosen, known = self._gallery.claim(seen, self._now_s, self.settings.appearance, _SURE)
        objects, first = self._objects, len(self._objects)
        objects.begin(columns[chosen], found, self._now_s, self.settings.speed_m_s)
        objects.ids[first:], objects.first_s[first:] = known.ids, known.first_s
        return columns[chosen]

    def _remember(self, lost: np.ndarray) -> None:
        """Put the confirmed of the tracks that ``lost``, (N,) bool, chooses into the gallery."""
        if self.settings.gallery_s > 0:
            self._gallery.remember(self._objects.sightings(np.flatnonzero(lost & (self._objects.ids > 0))))

    def _confirm(self) -> None:
        """Give ids to what was seen often enough: that of an object which the gallery remembers there, else a new one."""
        objects = self._objects
        ready = np.flatnonzero((objects.ids == 0) & (objects.hits >= self.settings.confirm_hits))
        if not len(ready):
            return
        if len(self._gallery) and self._posed_s == self._now_s:
            chosen, known = self._gallery.claim(objects.sightings(ready), self._now_s, self.settings.appearance)
            objects.ids[ready[chosen]], objects.first_s[ready[chosen]] = known.ids, known.first_s
            ready = np.delete(ready, chosen)
        objects.ids[ready] = self._next_id + np.arange(len(ready))
        self._next_id += len(ready)
