# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from mtl_perception.simulation.optics import CAMERAS, jpeg_quality, through_camera


def scene(brightness):
    """A grey wall with a bright disc a little right of the middle."""
    image = np.full((90, 120, 3), 110, np.uint8)
    cv2.circle(image, (70, 45), 15, (230, 200, 180), -1, cv2.LINE_AA)
    return (image * brightness).astype(np.uint8)


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_a_seed_gives_one_picture(camera):
    first, again, other = (camera(np.random.default_rng(seed), scene(1.0)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.uint8


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_nothing_moves(camera):
    """Labels stay true: the disc's middle is where it was, however the picture was blurred."""
    for seed in range(40):
        grey = camera(np.random.default_rng(seed), scene(0.7)).mean(2)
        bright = grey > (np.percentile(grey, 98) + np.median(grey)) / 2
        bright[:, :45] = bright[:, 95:] = bright[:20] = bright[70:] = False
        rows, columns = np.nonzero(bright)
        assert abs(columns.mean() - 70) < 1
        assert abs(rows.mean() - 45) < 1


def test_dark_rooms_are_lifted_but_stay_darker_and_noisier():
    pictures = {b: [through_camera(np.random.default_rng(s), scene(b)) for s in range(25)] for b in (1.0, 0.15)}
    light, dark = (np.mean([p.mean() for p in pictures[b]]) for b in (1.0, 0.15))
    assert scene(0.15).mean() * 1.5 < dark < light
    noise = {b: np.median([np.abs(np.diff(p[:10, :40].astype(float), axis=1)).mean() for p in pictures[b]]) for b in pictures}
    assert noise[0.15] > 1.5 * noise[1.0]


def test_photographs_are_softer_paler_and_brighter_at_the_top():
    """Than what the mild camera makes of the same scene: half of it dark, half of it brown."""
    picture = np.full((288, 384, 3), 60, np.uint8)
    picture[:, 192:] = (150, 100, 80)

    def measured(name):
        steepest, color, top = [], [], []
        for seed in range(40):
            taken = CAMERAS[name](np.random.default_rng(seed), picture).astype(float)
            across = taken[100:190].mean((0, 2))
            steepest.append(np.abs(np.diff(across[180:204])).max() / (across[230] - across[150]))
            brown = taken[100:190, 220:260].mean((0, 1))
            color.append(np.ptp(brown) / brown.mean())
            top.append(np.percentile(taken, 95))
        return np.median([steepest, color, top], axis=1)

    mild, photographic = measured("mild"), measured("photographic")
    assert photographic[0] < 0.9 * mild[0]
    assert photographic[1] < 0.9 * mild[1]
    assert photographic[2] > 1.1 * mild[2]


def test_jpeg_is_mostly_good():
    qualities = [jpeg_quality(np.random.default_rng(seed)) for seed in range(200)]
    assert 55 <= min(qualities) < max(qualities) <= 95
    assert np.median(qualities) > 80
