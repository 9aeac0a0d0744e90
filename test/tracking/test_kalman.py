# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mtl_perception.tracking.kalman import ConstantVelocity, IsotropicVelocity
from mtl_perception.tracking.symmetric import UNIT, upper


def started(position: np.ndarray, noise: float, velocity_std: float = 1.0) -> ConstantVelocity:
    """Filters at (3, N) positions."""
    filters, count = ConstantVelocity(), position.shape[1]
    filters.extend(count)
    filters.start(np.arange(count), position, np.tile(noise**2 * UNIT, count), velocity_std)
    return filters


def test_it_is_the_textbooks_filter() -> None:
    rng = np.random.default_rng(0)
    filters = started(rng.normal(size=(3, 2)), 0.2)
    root = rng.normal(size=(3, 3))
    noise, measured, dt, q = root @ root.T + np.eye(3), rng.normal(size=3), 0.3, 0.7
    x, covariance = filters.state[:, 1].copy(), filters.covariance[:, :, 1].copy()
    filters.predict(dt, q)
    filters.update(np.array([1]), measured[:, None], upper(noise[:, :, None]))

    unit, none = np.eye(3), np.zeros((3, 3))
    step = np.block([[unit, dt * unit], [none, unit]])
    disturbed = q**2 * np.block([[dt**3 / 3 * unit, dt**2 / 2 * unit], [dt**2 / 2 * unit, dt * unit]])
    covariance = step @ covariance @ step.T + disturbed
    x = step @ x
    look = np.hstack([unit, none])
    gain = covariance @ look.T @ np.linalg.inv(look @ covariance @ look.T + noise)
    x = x + gain @ (measured - look @ x)
    covariance = (np.eye(6) - gain @ look) @ covariance
    np.testing.assert_allclose(filters.state[:, 1], x, atol=1e-12)
    np.testing.assert_allclose(filters.covariance[:, :, 1], covariance, atol=1e-12)


def test_one_long_step_is_as_uncertain_as_many_short_ones() -> None:
    once, often = started(np.ones((3, 1)), 0.1), started(np.ones((3, 1)), 0.1)
    once.predict(1.0, 0.5)
    for _ in range(10):
        often.predict(0.1, 0.5)
    np.testing.assert_allclose(once.covariance, often.covariance, rtol=1e-9)


def test_where_noise_is_alike_in_all_directions_three_numbers_say_the_same() -> None:
    rng = np.random.default_rng(3)
    position, noise, speed = rng.normal(size=(3, 5)), rng.uniform(0.1, 1.0, 5), 1.3
    full, few = ConstantVelocity(), IsotropicVelocity(3)
    full.extend(5)
    full.start(np.arange(5), position, noise * UNIT, speed)
    few.add(position, noise, np.zeros((3, 1)), np.full(5, speed))
    for columns in (np.array([0, 2, 3]), np.arange(5), np.array([4]), np.array([], int)):
        acceleration, measured = rng.uniform(0.1, 1.0), rng.normal(size=(3, len(columns)))
        full.predict(0.2, acceleration)
        few.predict(0.2, acceleration, 0.0)
        full.update(columns, measured, noise[columns] * UNIT)
        few.update(columns, measured, noise[columns])
    np.testing.assert_allclose(few.position, full.position, atol=1e-12)
    np.testing.assert_allclose(few.velocity, full.velocity, atol=1e-12)
    for entry, (row, other) in enumerate(((0, 0), (0, 3), (3, 3))):
        np.testing.assert_allclose(few.variance[entry], full.covariance[row, other], atol=1e-12)


def test_a_drift_adds_up_over_time() -> None:
    once, often = IsotropicVelocity(4), IsotropicVelocity(4)
    for filters in (once, often):
        filters.add(np.ones((4, 1)), np.array([0.1]), np.zeros((4, 1)), np.array([1.0]))
    once.predict(1.0, 0.5, 0.2)
    for _ in range(10):
        often.predict(0.1, 0.5, 0.2)
    np.testing.assert_allclose(once.variance, often.variance, rtol=1e-9)


def test_its_uncertainty_is_that_of_its_errors() -> None:
    """Normalised squared errors of many simulated objects average to the number of dimensions."""
    rng = np.random.default_rng(2)
    count, dt, q, noise = 400, 0.1, 0.5, 0.08
    true, speed = rng.normal(size=(3, count)), rng.normal(size=(3, count))
    filters = started(true + noise * rng.normal(size=true.shape), noise)
    spread = np.linalg.cholesky(q**2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]))
    for _ in range(15):
        shake = rng.normal(size=(3, count, 2)) @ spread.T
        true, speed = true + dt * speed + shake[..., 0], speed + shake[..., 1]
        filters.predict(dt, q)
        measured = true + noise * rng.normal(size=true.shape)
        filters.update(np.arange(count), measured, np.tile(noise**2 * UNIT, count))
    error = filters.state - np.concatenate([true, speed])
    normalised = np.einsum("in,nij,jn->n", error, np.linalg.inv(filters.covariance.transpose(2, 0, 1)), error)
    assert normalised.mean() == pytest.approx(6, abs=0.5)


def test_a_measurement_far_off_moves_it_less_than_its_own_noise_says() -> None:
    plain, wary = started(np.zeros((3, 1)), 0.1), started(np.zeros((3, 1)), 0.1)
    row, far, noise = np.array([0]), np.array([[5.0], [0], [0]]), 0.01 * UNIT
    plain.update(row, far, noise)
    wary.update(row, far, noise, gate=11.34)
    assert plain.position[0, 0] == pytest.approx(2.5)
    assert 0 < wary.position[0, 0] < 0.1
    assert wary.covariance[0, 0, 0] > plain.covariance[0, 0, 0]


def test_what_is_not_started_stays_unknown() -> None:
    filters = started(np.zeros((3, 1)), 0.1)
    filters.extend(1)
    filters.predict(0.1, 0.5)
    assert filters.is_started.tolist() == [True, False]
    assert np.isnan(filters.covariance[:, :, 1]).all()
    assert np.isfinite(filters.covariance[:, :, 0]).all()
