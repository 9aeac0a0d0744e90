# SPDX-License-Identifier: Apache-2.0
"""Surface normals: made of depth, followed through augmentation, trained tiny on rendered rooms, scored."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mtl_perception.core.geometry import Intrinsics, View
from mtl_perception.core.resources import find_model
from mtl_perception.core.scene import Scene
from mtl_perception.data.augmentation import crop_and_resize, mirrored
from mtl_perception.data.folder import ImageFolder
from mtl_perception.evaluation.samples import open_samples
from mtl_perception.evaluation.scenes import evaluate_engine
from mtl_perception.inference.engine import Engine
from mtl_perception.tasks import CollectOptions, Sample, Truth, build_task
from mtl_perception.tasks.normals.answer import Normals
from mtl_perception.tasks.normals.from_depth import normals_from_depth
from mtl_perception.tasks.normals.metric import NormalsMetric, angle_deg
from mtl_perception.training import TrainingConfig, train

ROOMS = Path(__file__).parents[1] / "rooms"
CAMERA = Intrinsics(160, 120, 130.0, 125.0, 79.5, 59.5)


def depth_of_plane(normal: np.ndarray, distance_m: float, camera: Intrinsics = CAMERA) -> np.ndarray:
    """Depth of the plane normal·P = −distance_m, whole millimetres."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], -1)
    depth_m = -distance_m / (rays @ normal)
    return np.round(depth_m, 3).astype(np.float32)


def unit(x: float, y: float, z: float) -> np.ndarray:
    return np.array([x, y, z]) / np.linalg.norm([x, y, z])


@pytest.mark.parametrize("normal", [(0, 0, -1), (0.5, 0.2, -1), (-0.7, 0.1, -0.8), (0.1, -0.9, -0.9)])
def test_a_plane_has_its_normal_everywhere(normal: tuple[float, float, float]) -> None:
    true = unit(*normal)
    found = normals_from_depth(depth_of_plane(true, 2.0), CAMERA)
    known = found.any(-1)
    assert known[3:-3, 3:-3].all()
    np.testing.assert_allclose(np.linalg.norm(found[known], axis=-1), 1, atol=1e-5)
    assert angle_deg(found[known], np.broadcast_to(true, found[known].shape)).max() < 2  # of depth in whole millimetres


def test_where_depth_jumps_or_is_unknown_nothing_is_said() -> None:
    depth_m = depth_of_plane(unit(0, 0, -1), 2.0)
    depth_m[:, 80:] = 1.0
    depth_m[40:60, 20:40] = 0
    found = normals_from_depth(depth_m, CAMERA).any(-1)
    assert not found[:, 78:82].any() and not found[40:60, 20:40].any()
    assert found[:30, 10:70].all() and found[:30, 90:150].all()


def sample_of(depth_m: np.ndarray, vectors: np.ndarray) -> Sample:
    return Sample("plane", np.zeros((*depth_m.shape, 3), np.uint8), CAMERA, {"depth": depth_m, "normals": vectors})


def test_labels_follow_the_image() -> None:
    """What augmentation makes of the label is what the augmented depth and camera give."""
    depth_m = depth_of_plane(unit(0.5, -0.3, -1), 2.0)
    sample = sample_of(depth_m, normals_from_depth(depth_m, CAMERA))
    for changed in (
        mirrored(sample),
        crop_and_resize(sample, 30, 20, 80, 60, 160, 120),
        mirrored(crop_and_resize(sample, 0, 0, 120, 90, 80, 60)),
    ):
        again = normals_from_depth(changed.labels["depth"], changed.intrinsics)
        both = again.any(-1) & changed.labels["normals"].any(-1)
        assert both.mean() > 0.5
        assert np.median(angle_deg(again[both], changed.labels["normals"][both])) < 1.5
    assert mirrored(sample).labels["normals"][60, 80, 0] == pytest.approx(-sample.labels["normals"][60, 79, 0])


def test_a_folder_makes_them_of_depth_for_who_asks(tmp_path: Path) -> None:
    folder = ImageFolder(ROOMS)
    assert "normals" not in folder[0].labels
    asked = folder.with_tasks(["normals"])
    assert len(asked) == len(folder)
    labels = asked[0].labels
    assert set(labels) == {"normals"} and labels["normals"].shape == (*folder[0].image.shape[:2], 3)
    expected = normals_from_depth(folder[0].labels["depth"], folder[0].intrinsics)
    np.testing.assert_array_equal(labels["normals"], expected)
    np.testing.assert_array_equal(asked.cached(tmp_path)[0].labels["normals"], expected)
    facing = labels["normals"][labels["normals"].any(-1)]
    assert len(facing) > 0.6 * expected.shape[0] * expected.shape[1]


def test_the_loss_is_the_angle_and_unknown_pixels_weigh_nothing() -> None:
    task = build_task("normals", {})
    vectors = np.zeros((32, 32, 3), np.float32)
    vectors[:, :16] = unit(0, 0, -1)
    targets = task.targets([sample_of(np.ones((32, 32), np.float32), vectors)])
    raw = torch.zeros(1, 3, 8, 8)
    raw[:, 0], raw[:, 2] = 2.0, -2.0  # 45° off, whatever its length
    raw[:, :, :, 6:] = 5.0
    (term,) = task.loss({"vectors": raw}, targets, torch.tensor([True]), torch.ones(1)).values()
    assert float(term.total / term.count) == pytest.approx(0.5, abs=1e-3)  # of 90°
    (term,) = task.loss({"vectors": raw}, targets, torch.tensor([False]), torch.ones(1)).values()
    assert float(term.total) == float(term.count) == 0
    right = torch.zeros(1, 3, 8, 8, requires_grad=True)
    raw = right + torch.tensor([0.0, 0.0, -1.0])[:, None, None]
    (term,) = task.loss({"vectors": raw}, targets, torch.tensor([True]), torch.ones(1)).values()
    term.total.backward()
    assert right.grad.isfinite().all()


def test_decoding_gives_unit_vectors_of_the_original_image() -> None:
    task = build_task("normals", {})
    raw = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    decoded = task.decode({"vectors": raw}, View(100, 50, 0.64, 64, 32, 64, 64), torch.zeros(2))["vectors"]
    assert decoded.shape == (2, 50, 100, 3)
    torch.testing.assert_close(decoded.norm(dim=-1), torch.ones(2, 50, 100))
    answer = task.collect({"vectors": decoded[0].numpy()}, CollectOptions()).resized(30, 20)
    assert answer.vectors.shape == (20, 30, 3)


def test_angles_are_scored_over_known_pixels() -> None:
    true = np.zeros((4, 10, 3), np.float32)
    true[:, :8] = (0, 0, -1)
    tilts_deg = np.repeat([0.0, 10.0, 20.0, 40.0, 180.0], 2)
    found = np.stack([np.sin(np.radians(tilts_deg)), np.zeros(10), -np.cos(np.radians(tilts_deg))], -1)
    metric = NormalsMetric()
    own = metric.update(Normals(np.broadcast_to(found, (4, 10, 3)).astype(np.float32)), true)
    assert own == {"mean_deg": pytest.approx(17.5, abs=1e-4)}
    scores = metric.compute()
    assert scores["median_deg"] == pytest.approx(10, abs=0.06)
    assert (scores["within_11"], scores["within_22"], scores["within_30"], scores["pixels"]) == (0.5, 0.75, 0.75, 32)
    with pytest.raises(ValueError, match="expected both in the image's size"):
        metric.update(Normals(np.zeros((2, 2, 3), np.float32)), true)
    assert NormalsMetric.pair(Scene(2, 2), Truth(labels={"normals": true})) is None
    assert np.isnan(NormalsMetric().compute()["mean_deg"])


@pytest.mark.slow
def test_rendered_rooms_are_learned_and_scored(tmp_path: Path) -> None:
    """From a folder with depth to scores; a constant answer is the yardstick."""
    config = TrainingConfig(
        name="normals",
        variant="lite",
        tensorboard=False,
        data=ROOMS,
        output=tmp_path / "normals.safetensors",
        start_from=find_model("lite"),  # its encoder; the head is new
        steps=60,
        warmup_steps=5,
        learning_rate=3e-3,
        stages=[{"until": 1.0, "width": 128, "height": 96, "batch_size": 8, "max_zoom": 1.0}],
        tasks={"normals": 1.0},
        workers=0,
        ema_decay=0.9,
        threads=1,
        device="cpu",
    )
    engine = Engine.load(train(config), device="cpu", precision="float32", backend="torch")
    assert engine.tasks == ("normals",)
    with open_samples(ROOMS, engine.card) as samples:
        scores = evaluate_engine(engine, samples).scores["normals"]
    constant = NormalsMetric()
    folder = ImageFolder(ROOMS).with_tasks(["normals"])
    for i in range(len(folder)):
        true = folder[i].labels["normals"]
        constant.update(Normals(np.broadcast_to(np.float32([0, 0, -1]), true.shape)), true)
    assert scores["mean_deg"] < 0.8 * constant.compute()["mean_deg"]
    assert scores["within_30"] > constant.compute()["within_30"]
