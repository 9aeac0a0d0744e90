# SPDX-License-Identifier: Apache-2.0
"""Kalman filters of many objects at once."""

from __future__ import annotations

import numpy as np

from mtl_perception.tracking import symmetric


class ConstantVelocity:
    """N Kalman filters of places in space, moving at a constant velocity that white noise disturbs.

    The noise is that of acceleration, continuous in time (Bar-Shalom et al., Estimation with Applications to Tracking
    and Navigation, 2001, section 6.2.2), so that steps of any length give the same uncertainty as one long step. A row of
    NaN is a filter that has not been started; it stays NaN until ``start``.

    Attributes:
        position: (N, 3).
        velocity: (N, 3) per second.
        covariance: (N, 6, 6) of position, then velocity.
    """

    def __init__(self) -> None:
        self.position = np.empty((0, 3))
        self.velocity = np.empty((0, 3))
        self.covariance = np.empty((0, 6, 6))

    def __len__(self) -> int:
        return len(self.position)

    @property
    def is_started(self) -> np.ndarray:
        """(N,) bool."""
        return ~np.isnan(self.position[:, 0])

    @property
    def position_covariance(self) -> np.ndarray:
        """(N, 3, 3), a view."""
        return self.covariance[:, :3, :3]

    def extend(self, count: int) -> None:
        """Add ``count`` filters that are not started."""
        self.position = np.concatenate([self.position, np.full((count, 3), np.nan)])
        self.velocity = np.concatenate([self.velocity, np.full((count, 3), np.nan)])
        self.covariance = np.concatenate([self.covariance, np.full((count, 6, 6), np.nan)])

    def keep(self, chosen: np.ndarray) -> None:
        """Drop the filters that ``chosen``, (N,) bool, leaves out."""
        self.position, self.velocity = self.position[chosen], self.velocity[chosen]
        self.covariance = self.covariance[chosen]

    def start(self, rows: np.ndarray, position: np.ndarray, noise: np.ndarray, velocity: np.ndarray, velocity_std: np.ndarray) -> None:
        """Begin at a first measurement.

        Args:
            rows: (M,) indices.
            position, noise: (M, 3) measurements and (M, 3, 3) their covariances.
            velocity: (M, 3) or (3,), the guess.
            velocity_std: (M,) or scalar, how far off the guess may be.
        """
        if not len(rows):
            return
        self.position[rows], self.velocity[rows] = position, velocity
        self.covariance[rows] = 0.0
        self.covariance[rows, :3, :3] = noise
        variance = np.broadcast_to(np.square(velocity_std), (len(rows),))
        self.covariance[rows, 3:, 3:] = variance[:, None, None] * np.eye(3)

    def predict(self, dt_s: float, acceleration: np.ndarray | float) -> None:
        """Move every filter on by ``dt_s`` seconds.

        Args:
            acceleration: (N,) or scalar, strength of the disturbance: root of its power density, units/s²/√Hz.
        """
        self.position = self.position + dt_s * self.velocity
        self.covariance[:, :3] += dt_s * self.covariance[:, 3:]
        self.covariance[:, :, :3] += dt_s * self.covariance[:, :, 3:]
        of_position_and_velocity = np.array([[dt_s**3 / 3, dt_s**2 / 2], [dt_s**2 / 2, dt_s]])
        noise = (of_position_and_velocity[:, None, :, None] * np.eye(3)[None, :, None, :]).reshape(6, 6)
        self.covariance += np.square(acceleration).reshape(-1, 1, 1) * noise

    def update(self, rows: np.ndarray, measured: np.ndarray, noise: np.ndarray, gate: float = np.inf) -> None:
        """Correct the filters ``rows`` by one measurement each.

        A measurement farther off than its uncertainty explains (squared Mahalanobis distance above ``gate``) is believed
        less: the innovation's covariance grows until the distance is that of the gate.

        Args:
            rows: (M,) indices of started filters, none twice.
            measured, noise: (M, 3) and (M, 3, 3).
        """
        if not len(rows):
            return
        covariance = self.covariance[rows]
        innovation = (measured - self.position[rows])[:, :, None]
        inverse = symmetric.inverse(covariance[:, :3, :3] + noise)
        distance = (innovation * (inverse @ innovation)).sum((1, 2))
        inverse /= np.maximum(1.0, distance / gate)[:, None, None]
        gain = covariance[:, :, :3] @ inverse
        step = (gain @ innovation)[:, :, 0]
        self.position[rows] += step[:, :3]
        self.velocity[rows] += step[:, 3:]
        corrected = covariance - gain @ covariance[:, :3, :]
        self.covariance[rows] = (corrected + corrected.transpose(0, 2, 1)) / 2


class IsotropicVelocity:
    """``ConstantVelocity`` for noise that is the same in every coordinate: three numbers are the whole covariance.

    Attributes:
        position: (N, dim).
        velocity: (N, dim) per second.
        variance: (N, 3): of the position, of position with velocity, of the velocity; each coordinate's.
    """

    def __init__(self, dim: int) -> None:
        self.position = np.empty((0, dim))
        self.velocity = np.empty((0, dim))
        self.variance = np.empty((0, 3))

    def __len__(self) -> int:
        return len(self.position)

    def add(self, position: np.ndarray, noise: np.ndarray, velocity: np.ndarray, velocity_std: np.ndarray) -> None:
        """M more filters, each at a first measurement.

        Args:
            position, noise: (M, dim) measurements and (M,) their variances.
            velocity: (M, dim) or (dim,), the guess.
            velocity_std: (M,), how far off the guess may be.
        """
        variance = np.stack([noise, np.zeros_like(noise), np.square(velocity_std)], 1)
        self.position = np.concatenate([self.position, position])
        self.velocity = np.concatenate([self.velocity, np.broadcast_to(velocity, position.shape)])
        self.variance = np.concatenate([self.variance, variance])

    def keep(self, chosen: np.ndarray) -> None:
        """Drop the filters that ``chosen``, (N,) bool, leaves out."""
        self.position, self.velocity = self.position[chosen], self.velocity[chosen]
        self.variance = self.variance[chosen]

    def predict(self, dt_s: float, acceleration: np.ndarray | float, drift: np.ndarray | float) -> None:
        """Move every filter on by ``dt_s`` seconds.

        Args:
            acceleration: as in ``ConstantVelocity.predict``.
            drift: (N,) or scalar, the same of a disturbance of the position itself, units/s/√Hz.
        """
        self.position = self.position + dt_s * self.velocity
        place, mixed, rate = self.variance.T
        density, drifts = np.square(acceleration), np.square(drift)
        self.variance = np.stack(
            [
                place + 2 * dt_s * mixed + dt_s**2 * rate + density * dt_s**3 / 3 + drifts * dt_s,
                mixed + dt_s * rate + density * dt_s**2 / 2,
                rate + density * dt_s,
            ],
            1,
        )

    def update(self, rows: np.ndarray, measured: np.ndarray, noise: np.ndarray) -> None:
        """Correct the filters ``rows`` (M,), none twice, by measurements (M, dim) of variances (M,)."""
        place, mixed, rate = self.variance[rows].T
        gain, rate_gain = place / (place + noise), mixed / (place + noise)
        innovation = measured - self.position[rows]
        self.position[rows] += gain[:, None] * innovation
        self.velocity[rows] += rate_gain[:, None] * innovation
        self.variance[rows] = np.stack([(1 - gain) * place, (1 - gain) * mixed, rate - rate_gain * mixed], 1)
