# SPDX-License-Identifier: Apache-2.0
"""Objects that move before a camera, seen as a detector sees them; what matters is who keeps which id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from mtl_perception.core.scene import Boxes3D, Detections
from mtl_perception.tracking import Track, Tracker, TrackerSettings

FOCAL_PX, CENTER_PX, RATE_HZ = 400.0, (320.0, 240.0), 10.0


@dataclass
class Object:
    """A ball of 30 cm at ``place`` in the world, metres."""

    place: tuple[float, float, float]
    class_id: int = 0
    score: float = 0.8


def look(yaw: float = 0.0, x: float = 0.0) -> np.ndarray:
    """A camera's pose in the world whose axes are the optical ones; turned about the vertical, moved sideways."""
    pose = np.eye(4)
    pose[:3, :3] = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    pose[0, 3] = x
    return pose


def see(objects: list[Object], pose: np.ndarray, rng: np.random.Generator | None = None, noise_m: float = 0.0):
    """(detections, boxes_3d) of ``objects`` from ``pose``."""
    places = (np.array([obj.place for obj in objects]).reshape(-1, 3) - pose[:3, 3]) @ pose[:3, :3]
    if rng is not None:
        places = places + noise_m * rng.normal(size=places.shape)
    middle = places[:, :2] / places[:, 2:] * FOCAL_PX + CENTER_PX
    half = 0.15 / places[:, 2:] * FOCAL_PX
    detections = Detections(
        np.concatenate([middle - half, middle + half], 1).astype(np.float32),
        np.array([obj.score for obj in objects], np.float32),
        np.array([obj.class_id for obj in objects], np.int64),
    )
    count = len(objects)
    boxes_3d = Boxes3D(
        centers_m=places.astype(np.float32),
        sizes_m=np.full((count, 3), 0.3, np.float32),
        quaternions_xyzw=np.tile([0, 0, 0, 1], (count, 1)).astype(np.float32),
        center_covariances_m2=np.tile(max(noise_m, 0.02) ** 2 * np.eye(3), (count, 1, 1)).astype(np.float32),
        valid=np.ones(count, bool),
    )
    return detections, boxes_3d


class Film:
    """Feeds a tracker frame by frame. ``in_space``: with 3D boxes and the camera's pose."""

    def __init__(self, tracker: Tracker | None = None, in_space: bool = True) -> None:
        self.tracker, self.in_space, self.frame = tracker or Tracker(), in_space, 0

    def show(self, objects: list[Object], pose: np.ndarray | None = None, **noise) -> list[Track]:
        pose = look() if pose is None else pose
        detections, boxes_3d = see(objects, pose, **noise)
        self.frame += 1
        stamp_s = 1000 + self.frame / RATE_HZ
        if self.in_space:
            return self.tracker.update(stamp_s, detections, boxes_3d, pose)
        return self.tracker.update(stamp_s, detections)


@pytest.mark.parametrize("in_space", [True, False])
def test_a_still_object_keeps_its_id_and_stands_still(in_space: bool) -> None:
    film, rng = Film(in_space=in_space), np.random.default_rng(0)
    ids = [[t.id for t in film.show([Object((0.2, 0.1, 3.0))], rng=rng, noise_m=0.02)] for _ in range(20)]
    assert ids[0] == []  # seen once: not sure yet
    assert ids[1:] == [[1]] * 19
    (track,) = film.show([Object((0.2, 0.1, 3.0))])
    assert track.is_seen and track.unseen_s == 0
    assert track.age_s == pytest.approx(2.0)
    if in_space:
        np.testing.assert_allclose(track.position_m, (0.2, 0.1, 3.0), atol=0.03)
        assert np.linalg.norm(track.velocity_m_s) < 0.1
        assert track.covariance.shape == (6, 6)
    else:
        assert track.position_m is None and track.covariance is None


def test_velocity_is_in_metres_per_second_of_the_fixed_frame_also_from_a_moving_camera() -> None:
    film = Film()
    for k in range(25):
        t = k / RATE_HZ
        (*_, track) = film.show([Object((-1 + 0.8 * t, 0.0, 3.0))], look(yaw=-0.1 * t, x=0.3 * t)) or [None]
    np.testing.assert_allclose(track.velocity_m_s, (0.8, 0, 0), atol=0.05)
    np.testing.assert_allclose(track.position_m, (-1 + 0.8 * 2.4, 0, 3), atol=0.02)
    assert film.tracker.is_in_fixed_frame


def test_without_a_pose_places_are_the_cameras() -> None:
    tracker = Tracker()
    for k in range(3):
        detections, boxes_3d = see([Object((0.5, 0, 2))], look())
        tracks = tracker.update(k / RATE_HZ, detections, boxes_3d)
    assert not tracker.is_in_fixed_frame
    np.testing.assert_allclose(tracks[0].position_m, (0.5, 0, 2), atol=1e-3)


@pytest.mark.parametrize("in_space", [True, False])
def test_two_of_a_kind_that_pass_each_other_keep_their_ids(in_space: bool) -> None:
    """The nearer one hides the other for half a second while it passes."""
    film, ids = Film(in_space=in_space), []
    for k in range(41):
        t = k / RATE_HZ - 2
        near, far = Object((0.6 * t, 0, 2.0)), Object((-0.6 * t, 0, 3.0))
        hidden = abs(t) < 0.3
        tracks = film.show([near] if hidden else [near, far])
        seen = [track for track in tracks if track.is_seen]
        if not hidden and k:
            ids.append(tuple(sorted((track.detection, track.id) for track in seen)))
    assert set(ids) == {((0, 1), (1, 2))}


@pytest.mark.parametrize("hidden_s", [1.0, 1.5])
def test_a_moving_object_keeps_its_id_behind_furniture_while_the_camera_turns(hidden_s: float) -> None:
    film, rng, before = Film(), np.random.default_rng(3), 12
    hidden = round(hidden_s * RATE_HZ)
    for k in range(before + hidden + 5):
        t = k / RATE_HZ
        mover, still = Object((-1.2 + 0.7 * t, 0, 3.0)), Object((1.5, 0.2, 3.5))
        out_of_sight = before <= k < before + hidden
        tracks = film.show([still] if out_of_sight else [mover, still], look(yaw=0.25 * t), rng=rng, noise_m=0.03)
        if out_of_sight:
            coasting = next(track for track in tracks if track.id == 1)
            assert not coasting.is_seen
            assert coasting.unseen_s == pytest.approx((k - before + 1) / RATE_HZ)
            assert np.linalg.norm(coasting.position_m - mover.place) < 0.45
    assert sorted((track.id, track.detection) for track in tracks) == [(1, 0), (2, 1)]


def test_a_object_out_of_sight_for_longer_ends_and_its_id_is_not_given_again() -> None:
    film = Film(Tracker(TrackerSettings(keep_s=1.0, gallery_s=0.0)))
    for _ in range(3):
        film.show([Object((0, 0, 2)), Object((1, 0, 2))])
    counts = [len(film.show([Object((1, 0, 2))])) for _ in range(12)]
    assert counts == [2] * 10 + [1] * 2
    for _ in range(2):
        tracks = film.show([Object((0, 0, 2)), Object((1, 0, 2))])
    assert [track.id for track in tracks] == [2, 3]


def test_a_weak_detection_continues_a_track_and_begins_none() -> None:
    film = Film()
    for _ in range(3):
        film.show([Object((0, 0, 2))])
    for _ in range(30):
        tracks = film.show([Object((0, 0, 2), score=0.15), Object((1, 0, 2), score=0.25)])
    assert [(track.id, track.detection) for track in tracks] == [(1, 0)]
    assert tracks[0].score == pytest.approx(0.15)


def test_a_object_seen_once_gets_no_id() -> None:
    film = Film()
    for k in range(10):
        tracks = film.show([Object((0, 0, 2))] + ([Object((k * 0.3 - 1.5, 0.5, 3), score=0.9)] if k % 2 else []))
    assert [track.id for track in tracks] == [1]


def test_a_detection_of_another_class_is_another_object() -> None:
    film = Film()
    for _ in range(3):
        film.show([Object((0, 0, 2), class_id=4)])
    tracks = film.show([Object((0, 0, 2), class_id=5)])
    assert [(track.class_id, track.is_seen) for track in tracks] == [(4, False)]


def test_places_that_contradict_keep_boxes_that_overlap_apart() -> None:
    """A far object vanishes just where a near one of its kind appears: the boxes overlap, the metres do not."""
    film = Film()
    for _ in range(4):
        film.show([Object((0, 0, 3.0))])
    for _ in range(2):
        tracks = film.show([Object((0, 0, 2.0))])
    assert [(track.id, track.is_seen) for track in tracks] == [(1, False), (2, True)]


def test_where_boxes_cannot_tell_places_do() -> None:
    """Two boxes nearly on top of each other jitter past each other; their depths differ."""
    boxes = np.array([[100, 100, 200, 200], [106, 100, 206, 200]], np.float32)
    scores, class_ids = np.full(2, 0.8, np.float32), np.zeros(2, np.int64)
    _, boxes_3d = see([Object((0, 0, 2.0)), Object((0, 0, 2.15))], look())
    tracker, matched = Tracker(), set()
    for k in range(10):
        jittered = boxes if k % 2 else boxes[::-1]
        tracks = tracker.update(k / RATE_HZ, Detections(jittered, scores, class_ids), boxes_3d, look())
        matched |= {(track.id, track.detection) for track in tracks}
    assert matched == {(1, 0), (2, 1)}


def test_a_track_whose_object_is_hidden_does_not_take_the_detection_of_a_new_neighbour() -> None:
    """Two cups a hand apart: the second is seen for the second time just as the first goes out of sight."""
    film, rng = Film(), np.random.default_rng(4)
    first, second = Object((0, 0, 2.0)), Object((0.2, 0, 2.0))
    for _ in range(5):
        film.show([first], rng=rng, noise_m=0.03)
    film.show([first, second], rng=rng, noise_m=0.03)
    tracks = film.show([second], rng=rng, noise_m=0.03)
    assert [(track.id, track.is_seen) for track in tracks] == [(1, False), (2, True)]


def test_uncertainty_turns_with_the_camera() -> None:
    """A camera that looks along the world's x axis does not know x well: depth is its weak side."""
    tracker, pose = Tracker(), look(yaw=np.pi / 2)
    detections, boxes_3d = see([Object((3.0, 0, 0))], pose)
    unsure = np.diag([0.01, 0.01, 0.5])[None] ** 2
    boxes_3d = Boxes3D(boxes_3d.centers_m, boxes_3d.sizes_m, boxes_3d.quaternions_xyzw, unsure, boxes_3d.valid)
    for k in range(3):
        tracks = tracker.update(k / RATE_HZ, detections, boxes_3d, pose)
    x, y, z = np.sqrt(np.diag(tracks[0].covariance)[:3])
    assert x > 0.2
    assert max(y, z) < 0.06


def test_a_object_that_slipped_out_of_sight_keeps_its_size() -> None:
    """What goes behind a cupboard shows less and less of itself; it must not go on shrinking there."""
    tracker = Tracker()
    for k in range(8):
        box = np.array([[100, 100, 200 - 8 * k, 200]], np.float32)
        tracker.update(k / RATE_HZ, Detections(box, np.full(1, 0.8, np.float32), np.zeros(1, np.int64)))
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    for k in range(8, 20):
        (track,) = tracker.update(k / RATE_HZ, nothing)
    assert track.box_xyxy[2] - track.box_xyxy[0] > 30


def test_a_quick_turn_of_the_camera_carries_new_objects_along() -> None:
    """Small objects pass their own width from frame to frame: in the image alone they can only be followed because a new
    box is expected to move as the larger ones around it do."""
    film, shift = Film(in_space=False), 20.0

    def boxes(k: int, small: bool) -> Detections:
        large = [[x - k * shift, 100, x + 150 - k * shift, 300] for x in (300, 600, 900, 1200)]
        little = [[1000 - k * shift, 350, 1012 - k * shift, 362]] if small else []
        count = len(large) + len(little)
        return Detections(np.array(large + little, np.float32), np.full(count, 0.8, np.float32), np.zeros(count, np.int64))

    for k in range(25):
        tracks = film.tracker.update(k / RATE_HZ, boxes(k, small=k >= 8))
    little = [track for track in tracks if track.detection == 4]
    assert [track.age_s for track in little] == [pytest.approx(1.6)]
    assert len(tracks) == 5


def boxes(*found: tuple[int, float, tuple[float, float, float, float]]) -> Detections:
    """Of (class, score, box), the best first."""
    class_ids, scores, corners = zip(*sorted(found, key=lambda one: -one[1]))
    return Detections(np.array(corners, np.float32), np.array(scores, np.float32), np.array(class_ids))


WHOLE, SEAT, BACK, BESIDE = (100, 100, 160, 200), (118, 142, 158, 200), (102, 100, 150, 150), (150, 100, 210, 200)


@pytest.mark.parametrize("best", [WHOLE, SEAT])
@pytest.mark.parametrize("later", [0, 3])
def test_a_part_that_is_detected_too_begins_no_track(best: tuple, later: int) -> None:
    """Whether part and whole come together or one after the other, and whichever is the better detection."""
    tracker, other = Tracker(), SEAT if best == WHOLE else WHOLE
    for k in range(later + 5):
        found = [(0, 0.8, best)] + ([(0, 0.6, other), (0, 0.5, BACK)] if k >= later else [])
        tracks = tracker.update(k / RATE_HZ, boxes(*found))
    assert [track.id for track in tracks] == [1] and tracks[0].is_seen
    np.testing.assert_allclose(tracks[0].box_xyxy, best, atol=1)


def test_neighbours_and_other_classes_within_a_box_are_no_parts() -> None:
    tracker = Tracker()
    for k in range(3):
        tracks = tracker.update(k / RATE_HZ, boxes((0, 0.8, WHOLE), (0, 0.7, BESIDE), (1, 0.6, SEAT)))
    assert [track.class_id for track in tracks] == [0, 0, 1]


@pytest.mark.parametrize(("behind_m", "ids"), [(3.0, [1, 2]), (0.5, [1])])
def test_what_stands_behind_another_of_its_class_is_no_part_of_it(behind_m: float, ids: list[int]) -> None:
    """Places are known to half a metre."""
    film = Film()
    for _ in range(4):
        tracks = film.show([Object((0.0, 0.0, 2.0), score=0.9), Object((0.0, 0.0, 2.0 + behind_m), score=0.7)], noise_m=0.5)
    assert [track.id for track in tracks] == ids


def test_a_part_continues_its_objects_track_where_the_whole_is_not_detected() -> None:
    tracker = Tracker()
    for k in range(8):
        tracks = tracker.update(k / RATE_HZ, boxes((0, 0.8, WHOLE), (0, 0.6, SEAT)) if k < 4 else boxes((0, 0.6, SEAT)))
    assert [track.id for track in tracks] == [1] and tracks[0].is_seen


@pytest.mark.parametrize("jump_s", [-5.0, -0.1, 3.5])
def test_a_jump_in_time_ends_every_track(jump_s: float) -> None:
    tracker = Tracker(TrackerSettings(gallery_s=0.0))
    detections, boxes_3d = see([Object((0, 0, 2))], look())
    for k in range(4):
        tracks = tracker.update(100 + k / RATE_HZ, detections, boxes_3d, look())
    assert [track.id for track in tracks] == [1]
    after_s = 100.3 + jump_s
    assert tracker.update(after_s, detections, boxes_3d, look()) == []
    (track,) = tracker.update(after_s + 0.1, detections, boxes_3d, look())
    assert track.id == 2
    assert track.age_s == pytest.approx(0.1)


def test_the_same_stamp_twice_is_no_jump() -> None:
    film = Film()
    for _ in range(3):
        film.show([Object((0, 0, 2))])
    film.frame -= 1
    assert [track.id for track in film.show([Object((0, 0, 2))])] == [1]


def test_frames_may_come_at_any_pace() -> None:
    """A slow machine drops frames: the step between two is not constant."""
    tracker, rng, t = Tracker(), np.random.default_rng(5), 0.0
    for _ in range(30):
        t += float(rng.choice([0.05, 0.1, 0.3, 0.6]))
        detections, boxes_3d = see([Object((-3 + 0.4 * t, 0, 3)), Object((-3 + 0.4 * t, 0.6, 3))], look(), rng, 0.02)
        tracks = tracker.update(t, detections, boxes_3d, look())
    assert [track.id for track in tracks] == [1, 2]
    np.testing.assert_allclose(tracks[0].velocity_m_s, (0.4, 0, 0), atol=0.1)


def test_a_pose_that_is_missing_now_and_then_does_no_harm_and_one_that_ends_changes_the_frame() -> None:
    film, obj = Film(), Object((0.5, 0, 2.5))
    pose = look(yaw=0.4, x=0.2)
    for k in range(10):
        detections, boxes_3d = see([obj], pose)
        (*_, track) = film.tracker.update(k / RATE_HZ, detections, boxes_3d, None if k % 3 == 2 else pose) or [None]
    assert track.id == 1
    np.testing.assert_allclose(track.position_m, obj.place, atol=0.02)
    for k in range(10, 45):
        (track,) = film.tracker.update(k / RATE_HZ, detections, boxes_3d)
    assert track.id == 1
    assert not film.tracker.is_in_fixed_frame
    np.testing.assert_allclose(track.position_m, boxes_3d.centers_m[0], atol=0.02)


def test_detections_without_a_place_are_matched_in_the_image() -> None:
    film, obj = Film(), Object((0, 0, 2))
    detections, boxes_3d = see([obj], look())
    for k in range(12):
        known = np.array([k % 2 == 0])
        centers = np.where(known[:, None], boxes_3d.centers_m, np.nan)
        partly = Boxes3D(centers, boxes_3d.sizes_m, boxes_3d.quaternions_xyzw, boxes_3d.center_covariances_m2, known)
        tracks = film.tracker.update(k / RATE_HZ, detections, partly, look())
    assert [track.id for track in tracks] == [1]
    np.testing.assert_allclose(tracks[0].position_m, obj.place, atol=0.02)


def test_no_detections_at_all() -> None:
    film = Film()
    assert film.show([]) == []
    for _ in range(3):
        film.show([Object((0, 0, 2))])
    assert [track.is_seen for track in film.show([])] == [False]


def test_a_hundred_objects_in_disorder_keep_their_ids() -> None:
    film, rng = Film(), np.random.default_rng(7)
    places = np.stack(np.meshgrid(np.arange(10) * 0.4 - 2, np.arange(10) * 0.4 - 2, [4.0]), -1).reshape(-1, 3)
    history: dict[int, set[int]] = {k: set() for k in range(100)}
    for k in range(12):
        order = rng.permutation(100)
        objects = [Object(tuple(places[i]), class_id=int(i) % 3) for i in order]
        for track in film.show(objects, look(yaw=0.03 * k), rng=rng, noise_m=0.03):
            history[int(order[track.detection])].add(track.id)
    assert all(len(ids) == 1 for ids in history.values())
    assert len(set.union(*history.values())) == 100


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"low_score": 0.6}, "low_score is 0.6 and high_score 0.3"),
        ({"confirm_hits": 0}, "confirm_hits is 0"),
        ({"keep_s": float("nan")}, "keep_s is nan"),
        ({"min_iou": 1.0}, "min_iou is 1.0"),
    ],
)
def test_wrong_settings_are_named(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TrackerSettings(**settings)


def test_boxes_of_another_number_are_refused() -> None:
    detections, _ = see([Object((0, 0, 2))], look())
    _, boxes_3d = see([Object((0, 0, 2))] * 2, look())
    with pytest.raises(ValueError, match="2 3D boxes for 1 detections"):
        Tracker().update(0.0, detections, boxes_3d)
