# SPDX-License-Identifier: Apache-2.0
"""Objects that are told apart by their colours, where places and boxes would take one for the other."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_perception.core.scene import Boxes3D, Detections
from mtl_perception.tracking import Track, Tracker, TrackerSettings
from mtl_perception.tracking.appearance import LENGTH, looks

RED, BLUE, GREY = (200, 40, 40), (40, 60, 190), (120, 120, 120)
HEIGHT, WIDTH, FOCAL_PX = 240, 320, 300.0


def painted(boxes: np.ndarray, colours: list[tuple[int, int, int]], light: float = 1.0, seed: int = 0) -> np.ndarray:
    """Boxes of a colour each before a grey wall, with a camera's noise."""
    image = np.full((HEIGHT, WIDTH, 3), GREY, float)
    for (x1, y1, x2, y2), colour in zip(boxes.round().astype(int), colours):
        image[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = colour
    noise = np.random.default_rng(seed).normal(0, 4, image.shape)
    return np.clip(image * light + noise, 0, 255).astype(np.uint8)


def test_what_looks_alike_is_similar_in_another_place_size_and_light() -> None:
    near, far = np.float32([[20, 30, 90, 150], [120, 20, 200, 200]]), np.float32([[200, 100, 230, 150], [100, 60, 125, 110]])
    first = looks(painted(near, [RED, BLUE]), near)
    again = looks(painted(far, [RED, BLUE], light=0.9, seed=1), far)
    assert first.shape == (2, LENGTH) and first.dtype == np.float32
    np.testing.assert_allclose((first * first).sum(1), 1, rtol=1e-5)
    similarity = first @ again.T
    assert similarity.diagonal().min() > 0.5 and similarity[0, 1] < 0.4 and similarity[1, 0] < 0.4


def test_the_upper_and_the_lower_half_are_compared_each() -> None:
    box = np.float32([[40, 40, 100, 160]])
    image = painted(box, [RED])
    image[100:160, 40:100] = BLUE
    turned = image.copy()
    turned[40:100, 40:100], turned[100:160, 40:100] = BLUE, image[40:100, 40:100]
    first, second = looks(image, box)[0], looks(turned, box)[0]
    assert first @ first == pytest.approx(1, rel=1e-5) and first @ second < 0.7


@pytest.mark.parametrize("box", [[-50, -50, -10, -10], [310, 230, 400, 300], [5, 5, 5, 5], [-1000, -1000, 999, 999], [319.9, 10, 320, 20]])
def test_boxes_at_the_rim_and_without_pixels_have_looks_too(box: list[float]) -> None:
    found = looks(painted(np.zeros((0, 4)), []), np.float32([box]))
    assert np.isfinite(found).all() and found[0] @ found[0] == pytest.approx(1, rel=1e-5)
    assert looks(np.zeros((1, 1, 3), np.uint8), np.float32([box])).shape == (1, LENGTH)
    assert looks(painted(np.zeros((0, 4)), []), np.zeros((0, 4), np.float32)).shape == (0, LENGTH)


class Camera:
    """Shows two balls of one class, 30 cm wide, at places of (x, z) metres, to a tracker that knows where they are only roughly."""

    def __init__(self, **settings: float) -> None:
        self.tracker = Tracker(TrackerSettings(**({"keep_s": 1.0} | settings)))
        self.time_s = 10.0

    def show(self, balls: list[tuple[float, float]], colours: list[tuple[int, int, int]], frames: int = 1) -> list[Track]:
        tracks: list[Track] = []
        for _ in range(frames):
            self.time_s += 0.1
            places = np.array([(x, 0.0, z) for x, z in balls]).reshape(-1, 3)
            middle, half = places[:, :2] / places[:, 2:] * FOCAL_PX + (160, 120), 0.15 / places[:, 2:] * FOCAL_PX
            boxes = np.concatenate([middle - half, middle + half], 1).astype(np.float32)
            found = Detections(boxes, np.full(len(boxes), 0.8, np.float32), np.zeros(len(boxes), np.int64))
            noise = np.tile(np.diag([0.1, 0.1, 0.2]) ** 2, (len(boxes), 1, 1))
            upright = np.tile([0.0, 0, 0, 1], (len(boxes), 1))
            boxes_3d = Boxes3D(places, np.full((len(boxes), 3), 0.3), upright, noise, np.ones(len(boxes), bool))
            described = looks(painted(boxes, colours), boxes)
            tracks = self.tracker.update(self.time_s, found, boxes_3d, np.eye(4), looks=described)
        return tracks


def ids(tracks: list[Track]) -> list[int]:
    """Of the balls in sight, in the order in which they were shown."""
    return [track.id for track in sorted((track for track in tracks if track.is_seen), key=lambda track: track.detection)]


@pytest.mark.parametrize(("appearance", "expected"), [(0.8, [2, 1]), (0.0, [1, 2])])
def test_two_that_change_places_while_nobody_looks_keep_their_ids(appearance: float, expected: list[int]) -> None:
    camera = Camera(appearance=appearance)
    assert ids(camera.show([(-0.2, 2.0), (0.2, 2.0)], [RED, BLUE], 10)) == [1, 2]
    camera.show([], [], 5)
    assert ids(camera.show([(-0.2, 2.0), (0.2, 2.0)], [BLUE, RED], 3)) == expected


@pytest.mark.parametrize(("appearance", "expected"), [(0.8, [2, 1]), (0.0, [1, 2])])
def test_the_gallery_knows_two_by_their_colours(appearance: float, expected: list[int]) -> None:
    camera = Camera(appearance=appearance)
    assert ids(camera.show([(-0.1, 2.0), (0.25, 2.0)], [RED, BLUE], 10)) == [1, 2]
    camera.show([], [], 50)
    assert ids(camera.show([(-0.1, 2.0), (0.25, 2.0)], [BLUE, RED], 3)) == expected


def test_another_one_in_the_old_place_is_a_new_one() -> None:
    """At the limit of where the first could be; where it is exactly, the place counts for more."""
    camera = Camera(appearance=2.0)
    assert ids(camera.show([(0.0, 2.0)], [RED], 10)) == [1]
    camera.show([], [], 50)
    assert ids(camera.show([(0.0, 2.0)], [BLUE], 3)) == [2]
    camera.show([], [], 50)
    assert ids(camera.show([(0.0, 2.0)], [RED], 3)) == [1]


def test_without_looks_nothing_is_compared() -> None:
    """As where only some frames have an image."""
    camera = Camera()
    camera.show([(0.0, 2.0)], [RED], 5)
    known = camera.tracker
    box = np.float32([[137.5, 97.5, 182.5, 142.5]])
    found = Detections(box, np.float32([0.8]), np.array([0]))
    assert [track.id for track in known.update(camera.time_s + 0.1, found)] == [1]
    camera.time_s += 0.2
    assert ids(camera.show([(0.0, 2.0)], [RED])) == [1]


@pytest.mark.parametrize("settings", [{"appearance": -1.0}, {"appearance": float("nan")}, {"begin_score": 1.5}])
def test_wrong_settings_are_named(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(settings))} is .*, expected 0 to"):
        TrackerSettings(**settings)


def test_tracks_begin_with_detections_that_are_sure_enough() -> None:
    def followed(score: float, begin_score: float) -> int:
        tracker = Tracker(TrackerSettings(begin_score=begin_score, confirm_hits=1))
        found = Detections(np.float32([[10, 10, 50, 50]]), np.float32([score]), np.array([0]))
        return len(tracker.update(1.0, found))

    assert [followed(0.35, 0.4), followed(0.45, 0.4), followed(0.35, 0.0)] == [0, 1, 1]
