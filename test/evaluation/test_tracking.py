# SPDX-License-Identifier: Apache-2.0
import math
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Boxes3D, Depth, Detections, Scene
from mtl_perception.evaluation.hota import Frame, hota
from mtl_perception.evaluation.samples import open_samples
from mtl_perception.evaluation.tracking import TrackingMetric
from mtl_perception.tasks import Truth
from mtl_perception.tracking import Track, Tracker

MOVING = Path(__file__).parents[2] / "bags" / "moving"


def sequence(seed: int) -> list[Frame]:
    """Eight objects, some out of sight at each moment, two of which change names now and then; boxes that fit badly."""
    rng, who, frames = np.random.default_rng(seed), np.arange(8), []
    for k in range(30):
        if k % 7 == 6:
            a, b = rng.choice(8, 2, replace=False)
            who[[a, b]] = who[[b, a]]
        true, found = np.flatnonzero(rng.random(8) < 0.8), np.flatnonzero(rng.random(8) < 0.8)
        shape = (len(true), len(found))
        similarity = np.round(rng.random(shape) * 0.3 * (rng.random(shape) < 0.3), 6)
        for i, a in enumerate(true):
            for j, b in enumerate(found):
                if a == b:
                    similarity[i, j] = round(float(rng.uniform(0.3, 1)), 6)
        frames.append(Frame(true + 100, who[found] + 1, similarity))
    return frames


# What TrackEval 1.3.0 says of ``sequence(seed)``.
TRACKEVAL = {
    0: {"HOTA": 0.3102114435276673, "DetA": 0.3886941999156148, "AssA": 0.24875539866085644, "LocA": 0.77406015164476},
    1: {"HOTA": 0.29500935771338505, "DetA": 0.3836781929825625, "AssA": 0.22791786391240093, "LocA": 0.7739493276785515},
    4: {"HOTA": 0.35940205665492636, "DetA": 0.4218995347307477, "AssA": 0.30798451808148436, "LocA": 0.7800646144819642},
}


@pytest.mark.parametrize("seed", TRACKEVAL)
def test_hota_is_that_of_trackeval(seed: int) -> None:
    assert hota([sequence(seed)]) == pytest.approx(TRACKEVAL[seed], abs=1e-9)


def named(names: list[int | None]) -> list[Frame]:
    """One object over time; what its track is called in each frame, None where it was not found."""
    return [Frame(np.array([7]), np.array([n] if n else [], int), np.full((1, 1 if n else 0), 0.8)) for n in names]


def test_hota_that_can_be_counted_by_hand() -> None:
    swapped = hota([named([1, 1, 1, 1, 2, 2, 2, 2])])
    # Boxes overlap by .8, so 16 of the 19 thresholds see every box and the others none.
    seen = 16 / 19
    assert swapped == pytest.approx({"HOTA": math.sqrt(0.5) * seen, "DetA": seen, "AssA": 0.5 * seen, "LocA": seen * 0.8 + 3 / 19})
    assert hota([named([1] * 8)])["HOTA"] == pytest.approx(seen)
    assert hota([named([1, None] * 4)])["DetA"] == pytest.approx(0.5 * seen)
    assert math.isnan(hota([[]])["HOTA"])


def test_sequences_have_names_of_their_own() -> None:
    alone = named([1, 1, 1, 1])
    assert hota([alone, alone])["AssA"] == hota([alone])["AssA"]


BOX = np.array([[100, 100, 200, 200]], np.float32)


def track(id: int, box: np.ndarray = BOX[0], class_id: int = 0, **fields) -> Track:
    known = {"position_m": None, "velocity_m_s": None, "covariance": None} | fields
    return Track(id, class_id, 0.9, box, age_s=1.0, unseen_s=0.0, detection=0, **known)


def score(names: list[list[Track]], visible: list[bool] | None = None, known: bool = False) -> dict:
    """Args: known: the truth has an object of the other class too, in a frame before."""
    metric = TrackingMetric(["cup", "can"])
    if known:
        metric.add([track(99, class_id=1)], Truth(BOX, np.ones(1, int), track_ids=np.array([8]), stamp_s=-1.0), False)
    for k, tracks in enumerate(names):
        shown = slice(None) if visible is None or visible[k] else slice(0)
        truth = Truth(BOX[shown], np.zeros(1, int)[shown], track_ids=np.array([7])[shown], stamp_s=k / 10)
        metric.add(tracks, truth, False)
    return metric.compute()


def test_what_can_be_counted_by_hand() -> None:
    scores = score([[track(1)]] * 5 + [[track(2)]] * 5)
    assert (scores["MOTA"], scores["IDF1"], scores["switches"], scores["things"]) == (pytest.approx(0.9), 0.5, 1, 1)
    beside = score([[track(1, BOX[0] + 60)]] * 4)  # overlaps by less than a half
    assert beside["MOTA"] == -1.0
    # The right place, but another class: one missed and one too much, of five and one that is right.
    assert score([[track(1, class_id=1)]] * 4, known=True)["MOTA"] == pytest.approx(1 - 8 / 5)
    assert score([[track(1, class_id=1)]] * 4)["MOTA"] == 0.0  # of a class that the truth never shows: missed, and no more
    assert score([[]] * 4)["MOTA"] == 0.0


def test_objects_that_were_hidden_are_known_again_or_not() -> None:
    visible = [True] * 5 + [False] * 12 + [True] * 5

    def after(name: int | None) -> tuple[int, float, int]:
        tracks = [[track(1)]] * 5 + [[]] * 12 + [[], []] + [[track(name)] if name else []] * 3
        scores = score(tracks, visible)
        return scores["hidden"], scores["known_again"], scores["switches"]

    assert after(1) == (1, 1.0, 0)
    assert after(2) == (1, 0.0, 1)
    assert after(None) == (1, 0.0, 0)
    short = score([[track(1)]] * 3 + [[]] * 5 + [[track(2)]] * 3, [True] * 3 + [False] * 5 + [True] * 3)
    assert short["hidden"] == 0 and math.isnan(short["known_again"])


def test_places_and_velocities_are_compared_in_the_fixed_frame() -> None:
    metric, pose = TrackingMetric(["cup"]), np.eye(4)
    pose[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]  # looks along x
    for k in range(4):
        place = np.array([[0.2, 0.0, 2.0 + 0.1 * k]])  # moves away from the camera at 1 m/s
        boxes_3d = Boxes3D(place, np.ones((1, 3)), np.zeros((1, 4)), np.zeros((1, 3, 3)), np.ones(1, bool))
        truth = Truth(BOX, np.zeros(1, int), track_ids=np.array([7]), stamp_s=k / 10, boxes_3d=boxes_3d, camera_pose=pose)
        seen = track(1, position_m=np.array([2.0 + 0.1 * k, -0.2, 0.3]), velocity_m_s=np.array([0.8, 0.0, 0.0]))
        metric.add([seen], truth, True)
    scores = metric.compute()
    assert scores["position_m"] == pytest.approx(0.3)
    assert scores["velocity_m_s"] == pytest.approx(0.2)


def test_the_network_is_followed_with_its_own_depth() -> None:
    """A cup of which detection and depth know slides to the right, and is found as a can too; the metric tracks it as the
    node would, after class-agnostic NMS."""
    metric = TrackingMetric.for_model(SimpleNamespace(detection_labels=["cup", "can"], segmentation_labels=["wall"]))
    camera = Intrinsics(320, 240, 300, 300, 159.5, 119.5)
    for k in range(8):
        x = 100 + 6 * k
        box = np.array([[x, 100, x + 40, 150]], np.float32)
        depth_m = np.full((240, 320), 5.0, np.float32)
        depth_m[100:150, x : x + 40] = 2.0
        twice = Detections(np.concatenate([box, box + 1]), np.array([0.9, 0.6], np.float32), np.arange(2))
        scene = Scene(320, 240, twice, depth=Depth(depth_m))
        truth = Truth(box, np.zeros(1, int), track_ids=np.array([3]), stamp_s=k / 10, camera_pose=np.eye(4), intrinsics=camera)
        arguments = metric.pair(scene, truth)
        assert metric.update(*arguments) == {}
    scores = metric.compute()
    assert (scores["switches"], scores["things"]) == (0, 1)
    assert scores["MOTA"] == pytest.approx(7 / 8)  # nobody has an id in its first frame
    assert metric.pair(scene, Truth(box, np.zeros(1, int))) is None


def room_labels() -> ModuleType:
    """Of the rooms through which the moving drive goes. There is no MuJoCo for Python 3.10."""
    return pytest.importorskip("mtl_perception.simulation.labels", exc_type=ImportError)


@pytest.fixture(scope="module")
def drive() -> list[Truth]:
    labels = room_labels()
    card = SimpleNamespace(detection_labels=list(labels.DETECTION_LABELS), segmentation_labels=list(labels.SEGMENTATION_LABELS))
    with open_samples(MOVING, card) as samples:
        return [truth for _, _, truth in samples]


def test_the_moving_drive_says_who_is_who_and_where(drive: list[Truth]) -> None:
    assert len(drive) == 100
    classes: dict[int, set[int]] = {}
    for truth in drive:
        assert len(set(truth.track_ids.tolist())) == len(truth.boxes_xyxy) == len(truth.boxes_3d)
        for id, class_id in zip(truth.track_ids.tolist(), truth.class_ids.tolist()):
            classes.setdefault(id, set()).add(class_id)
        camera, centers = truth.intrinsics, truth.boxes_3d.centers_m
        pixels = centers[:, :2] / centers[:, 2:] * [camera.fx, camera.fy] + [camera.cx, camera.cy]
        low, high = truth.boxes_xyxy[:, :2], truth.boxes_xyxy[:, 2:]
        sides = high - low
        inside = ((pixels >= low - 0.25 * sides) & (pixels <= high + 0.25 * sides)).all(1)
        assert inside.mean() > 0.7  # the middle of what is partly hidden may lie elsewhere
    assert all(len(ids) == 1 for ids in classes.values())
    hidden = [k for k, truth in enumerate(drive) if 35 not in truth.track_ids]
    assert len(hidden) > 20


def follow(drive: list[Truth], seed: int | None) -> dict:
    """Scores of tracking the truth; with a seed spoilt by noise on boxes and depth, and one in ten detections missing."""
    rng = np.random.default_rng(seed)
    tracker, metric = Tracker(), TrackingMetric(room_labels().DETECTION_LABELS)
    for truth in drive:
        count = len(truth.track_ids)
        kept = np.ones(count, bool) if seed is None else rng.random(count) >= 0.1
        boxes, centers = truth.boxes_xyxy[kept], truth.boxes_3d.centers_m[kept]
        spread = 0.0 if seed is None else 0.05
        boxes = boxes + 0.5 * spread * (boxes[:, 2:] - boxes[:, :2]).mean(1, keepdims=True) * rng.normal(size=boxes.shape)
        rays = centers / np.linalg.norm(centers, axis=1, keepdims=True)
        far_m = spread * np.linalg.norm(centers, axis=1)
        centers = centers + rays * (far_m * rng.normal(size=len(centers)))[:, None]
        covariances = np.square(far_m)[:, None, None] * rays[:, :, None] * rays[:, None] + 1e-4 * np.eye(3)
        boxes_3d = Boxes3D(centers, np.ones_like(centers), np.zeros((len(centers), 4)), covariances, np.ones(len(centers), bool))
        scores = np.full(len(boxes), 0.8, np.float32)
        found = Detections(boxes.astype(np.float32), scores, truth.class_ids[kept])
        metric.add(tracker.update(truth.stamp_s, found, boxes_3d, truth.camera_pose), truth, True)
    return metric.compute()


def test_perfect_detections_are_followed_nearly_perfectly(drive: list[Truth]) -> None:
    scores = follow(drive, None)
    assert scores["hidden"] == 8  # two of them for longer than a track is kept
    assert scores["known_again"] >= 6 / 8
    assert scores["switches"] <= 2
    assert scores["IDF1"] > 0.97 and scores["HOTA"] > 0.95
    assert scores["position_m"] < 0.01 and scores["velocity_m_s"] < 0.02


def test_noise_costs_boxes_and_few_identities(drive: list[Truth]) -> None:
    scores = follow(drive, 1)
    assert scores["known_again"] >= 0.5
    assert scores["switches"] <= 6
    assert scores["IDF1"] > 0.85
    assert scores["position_m"] < 0.15 and scores["velocity_m_s"] < 0.15
