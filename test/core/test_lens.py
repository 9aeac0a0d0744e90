# SPDX-License-Identifier: Apache-2.0
"""Rectification against the formulas of the models: a point of the world must come to lie where the pinhole shows it."""

import cv2
import numpy as np
import pytest

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.lens import Lens

RAW = Intrinsics(640, 480, 400.0, 410.0, 325.0, 236.0)
IDEAL = Intrinsics(640, 480, 330.0, 330.0, 319.5, 239.5)
STRAIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
PLUMB_BOB = (-0.28, 0.07, 0.001, -0.002, 0.0)
RATIONAL = (0.5, -0.2, 0.001, -0.001, 0.01, 0.8, -0.1, 0.02)
EQUIDISTANT = (-0.02, 0.01, -0.005, 0.001)
LENSES = [("plumb_bob", PLUMB_BOB), ("plumb_bob", PLUMB_BOB[:4]), ("rational_polynomial", RATIONAL), ("equidistant", EQUIDISTANT)]


def brown(x: float, y: float, k1=0.0, k2=0.0, p1=0.0, p2=0.0, k3=0.0, k4=0.0, k5=0.0, k6=0.0) -> tuple[float, float]:
    r2 = x * x + y * y
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    return x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y


def kannala(x: float, y: float, *k: float) -> tuple[float, float]:
    r = np.hypot(x, y)
    theta = np.arctan(r)
    bent = theta + sum(ki * theta ** (2 * i + 3) for i, ki in enumerate(k))
    return x * bent / r, y * bent / r


def pixel(camera: Intrinsics, x: float, y: float) -> tuple[float, float]:
    return camera.fx * x + camera.cx, camera.fy * y + camera.cy


def centre(image: np.ndarray) -> np.ndarray:
    """Of what is bright, x and y."""
    rows, columns = np.indices(image.shape)
    return np.array([(columns * image).sum(), (rows * image).sum()], float) / image.sum()


@pytest.mark.parametrize(("model", "coefficients"), LENSES)
@pytest.mark.parametrize("ray", [(0.35, 0.2), (-0.5, 0.4), (0.1, -0.45)])
def test_a_point_comes_to_lie_where_the_pinhole_shows_it(model: str, coefficients: tuple, ray: tuple[float, float]) -> None:
    bend = kannala if model == "equidistant" else brown
    seen = pixel(RAW, *bend(*ray, *coefficients))
    rows, columns = np.indices((480, 640))
    image = (255 * np.exp(-((columns - seen[0]) ** 2 + (rows - seen[1]) ** 2) / 18)).astype(np.uint8)
    rectified = Lens(RAW, IDEAL, model, coefficients, STRAIGHT).rectifier()(np.dstack([image] * 3))
    assert rectified.shape == (480, 640, 3)
    np.testing.assert_allclose(centre(rectified[..., 1].astype(float)), pixel(IDEAL, *ray), atol=0.6)


def test_the_rotation_turns_the_camera() -> None:
    """A point ahead of the rectified camera, which looks 5° to the right of the real one."""
    half = np.deg2rad(5)
    turn = ((np.cos(half), 0, -np.sin(half)), (0, 1, 0), (np.sin(half), 0, np.cos(half)))
    image = np.zeros((480, 640), np.uint8)
    at = pixel(RAW, *brown(np.tan(half), 0.0, *PLUMB_BOB))
    cv2.circle(image, (round(at[0]), round(at[1])), 4, 255, cv2.FILLED)
    rectified = Lens(RAW, IDEAL, "plumb_bob", PLUMB_BOB, tuple(np.ravel(turn))).rectifier()(image)
    np.testing.assert_allclose(centre(rectified.astype(float)), (IDEAL.cx, IDEAL.cy), atol=1.0)


@pytest.mark.parametrize(("model", "coefficients"), LENSES)
def test_the_largest_shift_is_in_a_corner(model: str, coefficients: tuple) -> None:
    bend = kannala if model == "equidistant" else brown
    corners = [((u - RAW.cx) / RAW.fx, (v - RAW.cy) / RAW.fy) for u in (0, 639) for v in (0, 479)]
    shifts = [np.hypot(*np.subtract(pixel(RAW, *bend(*ray, *coefficients)), pixel(RAW, *ray))) for ray in corners]
    assert Lens(RAW, IDEAL, model, coefficients, STRAIGHT).largest_shift() == pytest.approx(max(shifts) / 640, rel=0.1)


@pytest.mark.parametrize(
    ("model", "coefficients", "words"),
    [
        ("thin_prism_fisheye", (0.1,) * 8, "distortion_model is 'thin_prism_fisheye', expected one of plumb_bob"),
        ("", (0.1,) * 5, "distortion_model is ''"),
        ("plumb_bob", (0.1,) * 3, "plumb_bob has 3 distortion coefficients, expected 4 or 5"),
        ("equidistant", (0.1,) * 5, "equidistant has 5 distortion coefficients, expected 4"),
        ("plumb_bob", (0.1, float("nan"), 0, 0, 0), "not finite"),
    ],
)
def test_what_is_no_lens_is_named(model: str, coefficients: tuple, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Lens(RAW, IDEAL, model, coefficients, STRAIGHT)
