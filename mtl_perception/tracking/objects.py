# SPDX-License-Identifier: Apache-2.0
"""The objects that are followed: arrays with one entry for each."""

from __future__ import annotations

import numpy as np

from mtl_perception.tracking.appearance import LENGTH
from mtl_perception.tracking.found import Found
from mtl_perception.tracking.gallery import Sightings
from mtl_perception.tracking.kalman import GATE, ConstantVelocity, IsotropicVelocity
from mtl_perception.tracking.matching import Side
from mtl_perception.tracking.symmetric import mahalanobis_squared, upper
from mtl_perception.tracking.track import Track

_AT_REST_M_S = 0.1
"""Slower objects stay where they are."""
_LOOK_RATE = 0.1
"""Share of the newest sighting in how an object looks."""

# Spreads in the image as shares of a box's mean side, after ByteTrack's at 30 Hz.
_BOX_DRIFT, _BOX_ACCELERATION, _BOX_SPEED = 0.25, 1.0, 2.0

_ROWS = ("ids", "class_ids", "scores", "first_s", "seen_s", "hits", "seen_places", "seen_noise", "looks")
"""Names of the arrays that hold one entry for each object, beside its filters."""


class Objects:
    """N objects.

    Attributes:
        boxes: filters of centre x and y, width and height in pixels.
        places: filters in the tracker's frame.
        ids: (N,), 0 for a tentative one.
        class_ids, hits: (N,).
        scores: (N,), of the last detections.
        first_s, seen_s: (N,) seconds: when each was seen first and last.
        seen_places, seen_noise: (N, 3) and (N, 6), as they were last seen in the fixed frame; NaN where they never were.
        looks: (N, LENGTH), means over time; NaN where they never were known.
    """

    def __init__(self) -> None:
        self.boxes, self.places = IsotropicVelocity(4), ConstantVelocity()
        self.ids, self.class_ids, self.hits = np.zeros((3, 0), np.int64)
        self.scores, self.first_s, self.seen_s = np.zeros((3, 0))
        self.seen_places, self.seen_noise = np.zeros((0, 3)), np.zeros((0, 6))
        self.looks = np.zeros((0, LENGTH), np.float32)

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, chosen: np.ndarray) -> None:
        """Drop the objects that ``chosen``, (N,) bool, leaves out."""
        if chosen.all():
            return
        self.boxes.keep(chosen)
        self.places.keep(chosen)
        for name in _ROWS:
            setattr(self, name, getattr(self, name)[chosen])

    def forget_places(self) -> None:
        """Places were in another frame."""
        self.places = ConstantVelocity()
        self.places.extend(len(self))

    def predict(self, dt_s: float, acceleration_m_s2: float, is_hidden: np.ndarray) -> None:
        """Move on by ``dt_s`` seconds; (N,) ``is_hidden`` says who was not seen in the last frame."""
        self.boxes.velocity[2:, is_hidden] = 0.0  # an object that vanished must not go on shrinking
        side = (self.boxes.position[2] + self.boxes.position[3]) / 2
        self.boxes.predict(dt_s, _BOX_ACCELERATION * side, _BOX_DRIFT * side)
        np.maximum(self.boxes.position[2:], 1.0, out=self.boxes.position[2:])
        self.places.predict(dt_s, acceleration_m_s2)

    def expected(self, rows: np.ndarray) -> Side:
        """Where the objects ``rows`` (K,) should be seen."""
        return Side(
            corners(self.boxes.position.take(rows, 1)),
            self.places.position.take(rows, 1),
            upper(self.places.covariance[:3, :3]).take(rows, 1),
            self.class_ids[rows],
            self.looks[rows],
        )

    def correct(self, rows: np.ndarray, columns: np.ndarray, found: Found, now_s: float, speed_m_s: float) -> None:
        """The objects ``rows`` (K,), rising, were seen as the detections ``columns``."""
        self.boxes.update(rows, found.centred.take(columns, 1), found.box_noise[columns])
        has_place = found.has_place[columns]
        known = has_place & self.places.is_started[rows]
        measured = columns[known]
        self.places.update(rows[known], found.places.take(measured, 1), found.noise.take(measured, 1), GATE)
        if (has_place & ~known).any():
            self._start_places(rows[has_place & ~known], columns[has_place & ~known], found, speed_m_s)
        self.scores[rows] = found.scores[columns]
        self.seen_s[rows] = now_s
        self.hits[rows] += 1
        before, new = self.looks[rows], found.looks[columns]
        mean = before + _LOOK_RATE * (new - before)
        if (half := np.isnan(mean[:, 0])).any():  # one of them is not known
            mean[half] = np.where(np.isnan(new[half]), before[half], new[half])
        self.looks[rows] = mean

    def begin(self, columns: np.ndarray, found: Found, now_s: float, speed_m_s: float) -> None:
        """Take in the detections ``columns`` (K,) as new objects, behind the others."""
        count = len(columns)
        if not count:
            return
        rows = np.arange(len(self), len(self) + count)
        speed = _BOX_SPEED * found.centred[2:].mean(0)[columns]
        self.boxes.add(found.centred.take(columns, 1), found.box_noise[columns], self._flow(now_s), speed)
        self.places.extend(count)
        has_place = found.has_place[columns]
        self._start_places(rows[has_place], columns[has_place], found, speed_m_s)
        now = np.full(count, now_s)
        new = {
            "ids": np.zeros(count, np.int64),
            "class_ids": found.class_ids[columns],
            "scores": found.scores[columns],
            "first_s": now,
            "seen_s": now,
            "hits": np.ones(count, np.int64),
            "seen_places": np.full((count, 3), np.nan),
            "seen_noise": np.full((count, 6), np.nan),
            "looks": found.looks[columns],
        }
        for name in _ROWS:
            setattr(self, name, np.concatenate([getattr(self, name), new[name]]))

    def note_sightings(self, rows: np.ndarray, columns: np.ndarray, found: Found) -> None:
        """Keep where the objects ``rows`` in sight are in the fixed frame; nowhere if they move, for who knows where they will be."""
        if found.sighting_noise is None:
            return
        has_place = found.has_place[columns]
        if not has_place.all():
            rows, columns = rows[has_place], columns[has_place]
        self.seen_noise[rows] = found.sighting_noise.T[columns]
        velocity = self.places.velocity.take(rows, 1)
        places = self.places.position.T[rows]
        if (fast := np.square(velocity).sum(0) > _AT_REST_M_S**2).any():
            spread = upper(self.places.covariance[3:, 3:][:, :, rows[fast]])
            fast[fast] = mahalanobis_squared(velocity[:, fast], spread) > GATE
            places[fast] = np.nan
        self.seen_places[rows] = places

    def sightings(self, rows: np.ndarray) -> Sightings:
        """The objects ``rows`` as the gallery knows them."""
        return Sightings(
            self.ids[rows],
            self.class_ids[rows],
            self.seen_places[rows],
            self.seen_noise[rows],
            self.first_s[rows],
            self.seen_s[rows],
            self.looks[rows],
        )

    def tracks(self, detection: np.ndarray, now_s: float) -> list[Track]:
        """The confirmed ones by rising id; ``detection`` (N,) is the index of each one's detection, -1 for none."""
        confirmed = np.flatnonzero(self.ids > 0)
        rows = confirmed[np.argsort(self.ids[confirmed])]
        spatial = [
            list(values)
            for values in (self.places.position.T[rows], self.places.velocity.T[rows], self.places.covariance.transpose(2, 0, 1)[rows])
        ]
        for unplaced in np.flatnonzero(~self.places.is_started[rows]):
            for values in spatial:
                values[unplaced] = None
        return list(
            map(
                Track,
                self.ids[rows].tolist(),
                self.class_ids[rows].tolist(),
                self.scores[rows].tolist(),
                corners(self.boxes.position.take(rows, 1)).T,
                *spatial,
                (now_s - self.first_s[rows]).tolist(),
                (now_s - self.seen_s[rows]).tolist(),
                detection[rows].tolist(),
            )
        )

    def _flow(self, now_s: float) -> np.ndarray:
        """(4, 1) pixels per second at which boxes go: what turns the camera moves everything, new objects too."""
        settled = (self.hits > 1) & (self.seen_s == now_s)
        flow = np.zeros((4, 1))
        if np.count_nonzero(settled) >= 3:
            flow[:2, 0] = _medians(self.boxes.velocity[:2, settled])
        return flow

    def _start_places(self, rows: np.ndarray, columns: np.ndarray, found: Found, speed_m_s: float) -> None:
        self.places.start(rows, found.places[:, columns], found.noise[:, columns], speed_m_s)


def corners(centred: np.ndarray) -> np.ndarray:
    """Centre and size (4, N) → x1, y1, x2, y2, (4, N) float32."""
    half = centred[2:] / 2
    return np.concatenate([centred[:2] - half, centred[:2] + half]).astype(np.float32)


def _medians(values: np.ndarray) -> np.ndarray:
    """(K,) of the rows of (K, N); ``np.median`` takes ten times as long for so few."""
    ordered, middle = np.sort(values, axis=1), values.shape[1] // 2
    return ordered[:, middle] if values.shape[1] % 2 else (ordered[:, middle - 1] + ordered[:, middle]) / 2
