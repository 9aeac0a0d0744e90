# SPDX-License-Identifier: Apache-2.0
"""Objects that leave the view for longer than they are followed, and come back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mtl_perception.core.scene import Boxes3D, Detections
from mtl_perception.tracking import Track, Tracker, TrackerSettings
from mtl_perception.tracking.appearance import LENGTH
from mtl_perception.tracking.gallery import Gallery, Sightings
from mtl_perception.tracking.symmetric import UNIT

FOCAL_PX, CENTER_PX, RATE_HZ = 400.0, (320.0, 240.0), 10.0
CUPS = [(-0.4, 0.0, 2.0), (0.1, 0.0, 2.2), (0.6, 0.0, 1.9)]


def standing_at(x: float, z: float = 0.0, turn: float = 0.0) -> np.ndarray:
    """A camera's pose in the world whose axes are the optical ones, turned about the vertical."""
    pose = np.eye(4)
    pose[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    pose[:3, 3] = x, 0.0, z
    return pose


class Robot:
    """Looks at cups of 10 cm, whose depth it takes for ``scale`` times what it is, and tracks them.

    Attributes:
        time_s: of the last frame.
    """

    def __init__(self, **settings: float) -> None:
        self.tracker = Tracker(TrackerSettings(**({"keep_s": 1.0} | settings)))
        self.time_s = 10.0

    def look(
        self,
        cups: list[tuple],
        pose: np.ndarray | None = None,
        frames: int = 1,
        class_id: int = 0,
        scale: float = 1.0,
        score: float = 0.8,
        looks: bool = False,
    ) -> list[Track]:
        tracks: list[Track] = []
        for _ in range(frames):
            self.time_s += 1 / RATE_HZ
            at = np.eye(4) if pose is None else pose
            places = (np.array(cups).reshape(-1, 3) - at[:3, 3]) @ at[:3, :3]
            middle, half = places[:, :2] / places[:, 2:] * FOCAL_PX + CENTER_PX, 0.05 / places[:, 2:] * FOCAL_PX
            count = len(cups)
            found = Detections(
                np.concatenate([middle - half, middle + half], 1).astype(np.float32),
                np.full(count, score, np.float32),
                np.full(count, class_id),
            )
            boxes_3d = Boxes3D(
                places * scale,
                np.full((count, 3), 0.1),
                np.tile([0.0, 0, 0, 1], (count, 1)),
                np.tile(np.diag([0.02, 0.02, 0.05]) ** 2, (count, 1, 1)),
                np.ones(count, bool),
            )
            alike = np.full((count, LENGTH), LENGTH**-0.5, np.float32) if looks else None
            tracks = self.tracker.update(self.time_s, found, boxes_3d, pose, looks=alike)
        return tracks

    def look_away(self, seconds: float) -> None:
        self.look([], standing_at(0.0), round(seconds * RATE_HZ))


def ids(tracks: list[Track]) -> list[int]:
    """Of the cups in sight, in the order in which they were shown."""
    return [track.id for track in sorted((track for track in tracks if track.is_seen), key=lambda track: track.detection)]


def test_objects_at_rest_have_their_ids_again_also_from_another_side_and_with_another_scale_of_depth() -> None:
    robot = Robot()
    assert ids(robot.look(CUPS, standing_at(0.0), 20)) == [1, 2, 3]
    robot.look_away(60.0)
    back = robot.look([CUPS[2], CUPS[0], CUPS[1]], standing_at(2.2, 2.5, -2.0), 5, scale=0.93)
    assert ids(back) == [3, 1, 2]
    assert all(track.age_s > 60 for track in back)


@pytest.mark.parametrize("looks", [True, False])
def test_a_weak_detection_begins_a_track_only_where_somebody_is_remembered_who_looks_like_that(looks: bool) -> None:
    robot = Robot(high_score=0.3, begin_score=0.4)
    robot.look(CUPS, standing_at(0.0), 20, looks=looks)
    robot.look_away(60.0)
    others = [(x, y + 0.5, z) for x, y, z in CUPS]
    known = [2] if looks else []
    assert ids(robot.look([*others, CUPS[1]], standing_at(0.0), score=0.35, looks=looks)) == known, "at once, and none of the others"
    assert ids(robot.look([*others, CUPS[1]], standing_at(0.0), 5, score=0.35, looks=looks)) == known
    assert ids(robot.look([CUPS[0], CUPS[2]], standing_at(0.0), score=0.25, looks=looks)) == [], "weaker than what is published"
    assert ids(robot.look(CUPS, standing_at(0.0), 5, looks=looks)) == [1, 2, 3]


def test_they_are_known_again_any_number_of_times() -> None:
    robot = Robot()
    for _ in range(4):
        assert ids(robot.look(CUPS, standing_at(0.0), 5)) == [1, 2, 3]
        robot.look_away(5.0)


def test_a_new_object_at_another_place_and_one_of_another_class_are_new() -> None:
    robot = Robot()
    robot.look(CUPS[:1], standing_at(0.0), 10)
    robot.look_away(5.0)
    assert ids(robot.look([(0.9, 0.0, 2.0)], standing_at(0.0), 3)) == [2]
    assert ids(robot.look(CUPS[:1], standing_at(0.0), 3, class_id=1)) == [3]


def test_nobody_has_two_places() -> None:
    """Two cups stand where one was: one of them is the old one."""
    robot = Robot()
    robot.look(CUPS[:1], standing_at(0.0), 10)
    robot.look_away(5.0)
    x, y, z = CUPS[0]
    assert ids(robot.look([(x + 0.13, y, z), (x + 0.01, y, z)], standing_at(0.0), 3)) == [2, 1]


def test_what_moved_is_not_expected_where_it_was() -> None:
    robot = Robot()
    for k in range(20):
        tracks = robot.look([(-1.0 + 0.06 * k, 0.0, 2.0)], standing_at(0.0))
    last = tracks[0].position_m
    robot.look_away(5.0)
    assert ids(robot.look([tuple(last)], standing_at(0.0), 3)) == [2]


@pytest.mark.parametrize(("gallery_s", "away_s", "id"), [(30.0, 20.0, 1), (30.0, 40.0, 2), (0.0, 5.0, 2)])
def test_places_are_remembered_for_so_long(gallery_s: float, away_s: float, id: int) -> None:
    robot = Robot(gallery_s=gallery_s)
    robot.look(CUPS[:1], standing_at(0.0), 5)
    robot.look_away(away_s)
    assert ids(robot.look(CUPS[:1], standing_at(0.0), 3)) == [id]


def test_without_a_fixed_frame_nobody_is_known_again() -> None:
    robot = Robot()
    robot.look(CUPS[:1], None, 5)
    robot.look([], None, 30)
    assert ids(robot.look(CUPS[:1], None, 3)) == [2]


def test_a_gap_in_time_is_bridged_and_a_step_back_forgets() -> None:
    robot = Robot()
    robot.look(CUPS, standing_at(0.0), 5)
    robot.time_s += 100.0
    assert ids(robot.look(CUPS, standing_at(0.0), 3)) == [1, 2, 3]
    robot.time_s -= 50.0
    assert ids(robot.look(CUPS, standing_at(0.0), 3)) == [4, 5, 6]


def test_a_pose_that_was_missing_while_objects_were_lost_does_no_harm() -> None:
    robot = Robot()
    robot.look(CUPS, standing_at(0.0), 5)
    robot.look([], None, 30)
    assert ids(robot.look(CUPS, standing_at(0.0), 3)) == [1, 2, 3]


def test_the_gallery_has_an_end() -> None:
    gallery, count = Gallery(), 700
    objects = Sightings(
        np.arange(1, count + 1),
        np.zeros(count, int),
        np.column_stack([np.arange(count), np.zeros((count, 2))]).astype(float),
        np.tile(0.01 * UNIT.T, (count, 1)),
        np.zeros(count),
        np.linspace(0, 1, count),
        np.full((count, LENGTH), np.nan, np.float32),
    )
    gallery.remember(objects)
    gallery.remember(replace(objects, ids=objects.ids + count, places=objects.places + (0, 50, 0), seen_s=objects.seen_s + 2))
    assert len(gallery) == 1000
    chosen, known = gallery.claim(objects, 5.0)  # the longest unseen are gone
    assert len(chosen) == 300 and known.ids.tolist() == list(range(401, 701))
    gallery.forget(2.5)
    assert 300 < len(gallery) < 400
    gallery.remember(replace(objects, places=np.full((count, 3), np.nan)))
    assert len(gallery) < 400


@pytest.mark.parametrize("gallery_s", [-1.0, float("inf"), float("nan")])
def test_wrong_times_are_named(gallery_s: float) -> None:
    with pytest.raises(ValueError, match=r"gallery_s is .*, expected 0 or a positive number"):
        TrackerSettings(gallery_s=gallery_s)
