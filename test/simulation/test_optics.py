# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np

from mtl_perception.simulation.optics import jpeg_quality, through_camera


def scene(brightness):
    """A grey wall with a bright disc a little right of the middle."""
    image = np.full((90, 120, 3), 110, np.uint8)
    cv2.circle(image, (70, 45), 15, (230, 200, 180), -1, cv2.LINE_AA)
    return (image * brightness).astype(np.uint8)


def test_a_seed_gives_one_picture():
    first, again, other = (through_camera(np.random.default_rng(seed), scene(1.0)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.uint8


def test_nothing_moves():
    """Labels stay true: the disc's middle is where it was, however the picture was blurred."""
    for seed in range(40):
        grey = through_camera(np.random.default_rng(seed), scene(0.7)).mean(2)
        bright = grey > (np.percentile(grey, 98) + np.median(grey)) / 2
        bright[:, :45] = bright[:, 95:] = bright[:20] = bright[70:] = False
        rows, columns = np.nonzero(bright)
        assert abs(columns.mean() - 70) < 1
        assert abs(rows.mean() - 45) < 1


def test_dark_rooms_are_lifted_but_stay_darker_and_noisier():
    pictures = {
        b: [through_camera(np.random.default_rng(s), scene(b)) for s in range(25)] for b in (1.0, 0.15)
    }
    light, dark = (np.mean([p.mean() for p in pictures[b]]) for b in (1.0, 0.15))
    assert scene(0.15).mean() * 1.5 < dark < light
    noise = {
        b: np.median([np.abs(np.diff(p[:10, :40].astype(float), axis=1)).mean() for p in pictures[b]])
        for b in pictures
    }
    assert noise[0.15] > 1.5 * noise[1.0]


def test_jpeg_is_mostly_good():
    qualities = [jpeg_quality(np.random.default_rng(seed)) for seed in range(200)]
    assert 55 <= min(qualities) < max(qualities) <= 95
    assert np.median(qualities) > 80
