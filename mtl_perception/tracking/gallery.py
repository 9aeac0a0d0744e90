# SPDX-License-Identifier: Apache-2.0
"""Objects that were followed once, and where they were: what comes back there is the same object."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from mtl_perception.tracking.appearance import LENGTH, with_looks
from mtl_perception.tracking.association import assign_pairs
from mtl_perception.tracking.kalman import GATE
from mtl_perception.tracking.symmetric import UNIT, mahalanobis_squared, outer

_MOST = 1000
"""Objects that are remembered; the ones longest unseen go first."""

# What sightings of one object from two sides have in error that more frames of one side do not tell: a scale of depth that
# is off, the part of the object that was visible, and the drift of what the robot takes for standing still.
_DEPTH_ERROR, _SIZE_ERROR, _DRIFT_M = 0.1, 0.25, 0.02


@dataclass
class Sightings:
    """N objects as they were seen, in the fixed frame.

    Attributes:
        ids, class_ids: (N,).
        places, noise: (N, 3) metres and (N, 6) covariances of ``sighting_noise``; NaN where a place is not known.
        first_s, seen_s: (N,) seconds.
        looks: (N, LENGTH) of ``appearance.looks``; NaN where they are not known.
    """

    ids: np.ndarray
    class_ids: np.ndarray
    places: np.ndarray
    noise: np.ndarray
    first_s: np.ndarray
    seen_s: np.ndarray
    looks: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, chosen: np.ndarray) -> Sightings:
        return Sightings(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def and_(self, others: Sightings) -> Sightings:
        return Sightings(*(np.concatenate([getattr(self, field.name), getattr(others, field.name)]) for field in fields(self)))


def sighting_noise(noise: np.ndarray, places: np.ndarray, sizes_m: np.ndarray, camera_m: np.ndarray) -> np.ndarray:
    """(6, N) covariances of places as seen from one side, as ``symmetric.upper``.

    Args:
        noise: (6, N), of single measurements.
        places: (3, N) metres.
        sizes_m: (N, 3) metres.
        camera_m: (3,), where the camera was.
    """
    part = np.square(_SIZE_ERROR / 3 * sizes_m.sum(1))
    return noise + outer(_DEPTH_ERROR * (places - camera_m[:, None])) + part * UNIT


class Gallery:
    """Remembers objects that are followed no more. Places and looks tell who comes back: two of one class that look alike and stood
    closer together than their places are known may be taken for each other."""

    def __init__(self) -> None:
        self.clear()

    def __len__(self) -> int:
        return len(self._objects)

    def clear(self) -> None:
        none, ids = np.zeros(0), np.zeros(0, np.int64)
        self._objects = Sightings(ids, ids, np.zeros((0, 3)), np.zeros((0, 6)), none, none, np.zeros((0, LENGTH), np.float32))

    def remember(self, objects: Sightings) -> None:
        """Take in objects that were lost; those without a place can't be known again and are left out."""
        known = ~np.isnan(objects.places[:, 0])
        if known.any():
            self._objects = self._objects.and_(objects.where(known))
        if len(self._objects) > _MOST:
            self._objects = self._objects.where(np.sort(np.argsort(self._objects.seen_s, kind="stable")[-_MOST:]))

    def forget(self, before_s: float) -> None:
        """Drop what was last seen earlier."""
        if len(self._objects) and self._objects.seen_s.min() < before_s:
            self._objects = self._objects.where(self._objects.seen_s >= before_s)

    def claim(self, new: Sightings, now_s: float, appearance: float = 0.0, gate: float = GATE) -> tuple[np.ndarray, Sightings]:
        """Which of N new objects are ones that are remembered.

        Args:
            appearance: of ``TrackerSettings``.
            gate: squared Mahalanobis distance from which on places are not the same.

        Returns:
            (K,) indices of the new objects and the K remembered ones that they are. Those are forgotten here.
        """
        objects = self._objects
        fresh, old = np.nonzero(new.class_ids[:, None] == objects.class_ids)
        drift = np.square(_DRIFT_M) * (now_s - objects.seen_s[old])
        spread = (new.noise[fresh] + objects.noise[old]).T + drift * UNIT
        cost = mahalanobis_squared((new.places[fresh] - objects.places[old]).T, spread) / gate
        if appearance > 0:
            cost = with_looks(cost, new.looks[fresh], objects.looks[old], appearance)
        possible = cost < 1  # false where a place is not known
        chosen, taken = assign_pairs(fresh[possible], old[possible], cost[possible])
        if len(taken):
            self._objects = objects.where(np.delete(np.arange(len(objects)), taken))
        return chosen, objects.where(taken)
