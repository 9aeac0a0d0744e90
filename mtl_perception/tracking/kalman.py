# SPDX-License-Identifier: Apache-2.0
"""Kalman filters of many objects at once. Arrays have one column for each filter, so that each step is a few operations on long rows."""

from __future__ import annotations

import numpy as np

from mtl_perception.tracking import symmetric

GATE = 11.34
"""Squared Mahalanobis distance that 99 % of true pairs stay below (χ², three degrees of freedom)."""


class ConstantVelocity:
    """N Kalman filters of places in space, moving at a constant velocity that white noise disturbs.

    The noise is that of acceleration, continuous in time (Bar-Shalom et al., Estimation with Applications to Tracking
    and Navigation, 2001, section 6.2.2), so that steps of any length give the same uncertainty as one long step. A column of
    NaN is a filter that has not been started; it stays NaN until ``start``.

    Attributes:
        state: (6, N) position, then velocity per second.
        covariance: (6, 6, N) of both.
    """

    def __init__(self) -> None:
        self.state = np.empty((6, 0))
        self.covariance = np.empty((6, 6, 0))

    def __len__(self) -> int:
        return self.state.shape[1]

    @property
    def is_started(self) -> np.ndarray:
        """(N,) bool."""
        return ~np.isnan(self.state[0])

    @property
    def position(self) -> np.ndarray:
        """(3, N), a view."""
        return self.state[:3]

    @property
    def velocity(self) -> np.ndarray:
        """(3, N) per second, a view."""
        return self.state[3:]

    def extend(self, count: int) -> None:
        """Add ``count`` filters that are not started."""
        self.state = np.concatenate([self.state, np.full((6, count), np.nan)], 1)
        self.covariance = np.concatenate([self.covariance, np.full((6, 6, count), np.nan)], 2)

    def keep(self, chosen: np.ndarray) -> None:
        """Drop the filters that ``chosen``, (N,) bool, leaves out."""
        self.state, self.covariance = self.state[:, chosen], self.covariance[:, :, chosen]

    def start(self, columns: np.ndarray, position: np.ndarray, noise: np.ndarray, velocity_std: float) -> None:
        """Begin at a first measurement, at rest.

        Args:
            columns: (M,) indices.
            position, noise: (3, M) measurements and (6, M) their covariances, as ``symmetric.upper``.
            velocity_std: how fast each may be all the same.
        """
        self.state[:3, columns], self.state[3:, columns] = position, 0.0
        self.covariance[:, :, columns] = 0.0
        self.covariance[:3, :3, columns] = symmetric.whole(noise)
        for i in range(3, 6):
            self.covariance[i, i, columns] = velocity_std**2

    def predict(self, dt_s: float, acceleration: float) -> None:
        """Move every filter on by ``dt_s`` seconds.

        Args:
            acceleration: strength of the disturbance: root of its power density, units/s²/√Hz.
        """
        self.state[:3] += dt_s * self.state[3:]
        self.covariance[:3] += dt_s * self.covariance[3:]
        self.covariance[:, :3] += dt_s * self.covariance[:, 3:]
        density, entries = acceleration**2, self.covariance.reshape(36, -1)
        entries[0:15:7] += density * dt_s**3 / 3  # the diagonals of the four blocks
        entries[3:18:7] += density * dt_s**2 / 2
        entries[18:33:7] += density * dt_s**2 / 2
        entries[21:36:7] += density * dt_s

    def update(self, columns: np.ndarray, measured: np.ndarray, noise: np.ndarray, gate: float = np.inf) -> None:
        """Correct some filters by one measurement each.

        A measurement farther off than its uncertainty explains (squared Mahalanobis distance above ``gate``) is believed
        less: the innovation's covariance grows until the distance is that of the gate.

        Args:
            columns: (M,) indices of started filters in rising order, none twice.
            measured, noise: (3, M) and (6, M), as ``symmetric.upper``.
        """
        if not len(columns):
            return
        chosen = columns if len(columns) < len(self) else slice(None)
        covariance, state = self.covariance[:, :, chosen], self.state[:, chosen]
        innovation = measured - state[:3]
        inverse = symmetric.inverse(symmetric.upper(covariance[:3, :3]) + noise)
        weight = symmetric.whole(inverse)
        distance = (innovation * np.einsum("ijn,jn->in", weight, innovation)).sum(0)
        weight /= np.maximum(1.0, distance / gate)
        gain = np.einsum("ikn,kjn->ijn", covariance[:, :3], weight)
        self.state[:, chosen] = state + np.einsum("ikn,kn->in", gain, innovation)
        corrected = covariance - np.einsum("ikn,kjn->ijn", gain, covariance[:3])
        self.covariance[:, :, chosen] = (corrected + corrected.transpose(1, 0, 2)) / 2


class IsotropicVelocity:
    """``ConstantVelocity`` for noise that is the same in every coordinate: three numbers are the whole covariance.

    Attributes:
        position: (dim, N).
        velocity: (dim, N) per second.
        variance: (3, N): of the position, of position with velocity, of the velocity; each coordinate's.
    """

    def __init__(self, dim: int) -> None:
        self.position, self.velocity = np.empty((dim, 0)), np.empty((dim, 0))
        self.variance = np.empty((3, 0))

    def __len__(self) -> int:
        return self.position.shape[1]

    def add(self, position: np.ndarray, noise: np.ndarray, velocity: np.ndarray, velocity_std: np.ndarray) -> None:
        """M more filters, each at a first measurement.

        Args:
            position, noise: (dim, M) measurements and (M,) their variances.
            velocity: (dim, M) or (dim, 1), the guess.
            velocity_std: (M,), how far off the guess may be.
        """
        variance = np.array([noise, np.zeros_like(noise), np.square(velocity_std)])
        self.position = np.concatenate([self.position, position], 1)
        self.velocity = np.concatenate([self.velocity, np.broadcast_to(velocity, position.shape)], 1)
        self.variance = np.concatenate([self.variance, variance], 1)

    def keep(self, chosen: np.ndarray) -> None:
        """Drop the filters that ``chosen``, (N,) bool, leaves out."""
        self.position, self.velocity = self.position[:, chosen], self.velocity[:, chosen]
        self.variance = self.variance[:, chosen]

    def predict(self, dt_s: float, acceleration: np.ndarray | float, drift: np.ndarray | float) -> None:
        """Move every filter on by ``dt_s`` seconds.

        Args:
            acceleration: (N,) or scalar, strength of the disturbance: root of its power density, units/s²/√Hz.
            drift: (N,) or scalar, the same of a disturbance of the position itself, units/s/√Hz.
        """
        self.position += dt_s * self.velocity
        place, mixed, rate = self.variance
        density = np.square(acceleration)
        place += 2 * dt_s * mixed + dt_s**2 * rate + dt_s**3 / 3 * density + dt_s * np.square(drift)
        mixed += dt_s * rate + dt_s**2 / 2 * density
        rate += dt_s * density

    def update(self, columns: np.ndarray, measured: np.ndarray, noise: np.ndarray) -> None:
        """Correct the filters ``columns`` (M,), rising and none twice, by measurements (dim, M) of variances (M,)."""
        chosen = columns if len(columns) < len(self) else slice(None)
        place, mixed, rate = variance = self.variance[:, chosen]
        gains = variance[:2] / (place + noise)
        innovation = measured - self.position[:, chosen]
        self.position[:, chosen] += gains[0] * innovation
        self.velocity[:, chosen] += gains[1] * innovation
        self.variance[:, chosen] = [(1 - gains[0]) * place, (1 - gains[0]) * mixed, rate - gains[1] * mixed]
