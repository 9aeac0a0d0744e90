# SPDX-License-Identifier: Apache-2.0
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from model import tiny_card, tiny_network

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Scene
from mtl_perception.inference import DeviceError, Engine
from mtl_perception.inference.folding import fold_batch_norms
from mtl_perception.model.checkpoint import CheckpointError, save_checkpoint

CAMERA = Intrinsics(640, 480, 500.0, 500.0, 319.5, 239.5)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.of(tiny_network(), tiny_card(), device="cpu")


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.kron(coarse, np.ones((height // 8 + 1, width // 8 + 1, 1), np.uint8))[:height, :width])


@pytest.mark.parametrize(("height", "width"), [(480, 640), (720, 1280), (96, 128), (101, 333), (640, 480), (24, 32)])
def test_every_output_has_the_size_of_the_image(engine: Engine, height: int, width: int) -> None:
    scene = engine(picture(height, width), None)
    assert (scene.height, scene.width) == (height, width)
    assert scene.segmentation.mask.shape == scene.segmentation.confidence.shape == scene.depth.depth_m.shape == (height, width)
    assert scene.segmentation.mask.dtype == scene.segmentation.confidence.dtype == np.uint8
    assert scene.depth.depth_m.dtype == scene.detections.boxes_xyxy.dtype == np.float32
    assert np.isfinite(scene.depth.depth_m).all()
    assert (scene.depth.depth_m > 0).all()
    assert set(scene.stage_s) == {"preprocess", "network", "postprocess"}


def test_boxes_lie_within_the_image_best_first(engine: Engine) -> None:
    engine.score_threshold = 0.0
    try:
        found = engine(picture(101, 333), None).detections
    finally:
        engine.score_threshold = 0.3
    assert len(found) > 10
    assert (found.boxes_xyxy[:, :2] >= 0).all()
    assert (found.boxes_xyxy[:, 2] <= 333).all()
    assert (found.boxes_xyxy[:, 3] <= 101).all()
    assert (np.diff(found.scores) <= 0).all()


def test_a_task_that_was_not_asked_for_is_absent_and_the_others_unchanged(engine: Engine) -> None:
    image = picture(480, 640)
    everything, some = engine(image, CAMERA), engine(image, CAMERA, tasks=("depth",))
    assert some.detections is None
    assert some.segmentation is None
    np.testing.assert_array_equal(some.depth.depth_m, everything.depth.depth_m)


def test_the_same_image_gives_the_same_bits(engine: Engine) -> None:
    first, second = engine(picture(480, 640), CAMERA), engine(picture(480, 640), CAMERA)
    np.testing.assert_array_equal(first.depth.depth_m, second.depth.depth_m)
    np.testing.assert_array_equal(first.segmentation.mask, second.segmentation.mask)
    np.testing.assert_array_equal(first.detections.boxes_xyxy, second.detections.boxes_xyxy)


def test_a_longer_lens_sees_the_same_picture_further_away(engine: Engine) -> None:
    image = picture(480, 640)
    near = engine(image, CAMERA).depth.depth_m
    far = engine(image, Intrinsics(640, 480, 1000.0, 1000.0, 319.5, 239.5)).depth.depth_m
    np.testing.assert_allclose(far, 2 * near, rtol=1e-6)
    # Intrinsics given for another size of the same camera mean the same lens.
    half = engine(image, Intrinsics(320, 240, 250.0, 250.0, 159.5, 119.5)).depth.depth_m
    np.testing.assert_allclose(half, near, rtol=1e-6)


def test_folding_batch_norms_changes_no_answer() -> None:
    network = tiny_network()
    image = picture(96, 128)
    with torch.no_grad():
        expected = network(torch.from_numpy(image).permute(2, 0, 1)[None])
        folded = fold_batch_norms(network)
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
        torch.testing.assert_close(folded(torch.from_numpy(image).permute(2, 0, 1)[None]), expected, rtol=1e-3, atol=1e-3)


def test_views_of_arrays_are_taken_as_they_are(engine: Engine) -> None:
    padded = np.zeros((480, 700, 3), np.uint8)
    padded[:, :640] = picture(480, 640)
    view = padded[:, :640]
    assert not view.flags.c_contiguous
    np.testing.assert_array_equal(engine(view, CAMERA).depth.depth_m, engine(picture(480, 640), CAMERA).depth.depth_m)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (333, 101)])
def test_a_camera_that_is_not_known_is_taken_for_one_of_65_degrees(engine: Engine, width: int, height: int) -> None:
    """Whatever the size of the network's input is: depth of a picture must not change with that alone."""
    focal_px = max(width, height) / 2 / math.tan(math.radians(32.5))
    lens = Intrinsics(width, height, focal_px, focal_px, width / 2, height / 2)
    image = picture(height, width)
    np.testing.assert_allclose(engine(image, None).depth.depth_m, engine(image, lens).depth.depth_m, rtol=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_read_only_image_of_the_networks_own_size_is_taken_without_a_warning(engine: Engine) -> None:
    image = picture(96, 128)
    image.setflags(write=False)
    assert engine(image, None).depth.depth_m.shape == (96, 128)


def test_bfloat16_agrees_with_float32_roughly() -> None:
    image = picture(96, 128)
    exact = Engine.of(tiny_network(), tiny_card(), device="cpu", precision="float32")(image, CAMERA)
    coarse = Engine.of(tiny_network(), tiny_card(), device="cpu", precision="bfloat16")(image, CAMERA)
    assert np.median(np.abs(coarse.depth.depth_m / exact.depth.depth_m - 1)) < 0.05


def test_auto_says_what_it_settled_for() -> None:
    engine = Engine.of(tiny_network(), tiny_card())
    if torch.cuda.is_available():
        assert engine.device.startswith("cuda")
        assert engine.notes == []
    else:
        assert engine.device == "cpu"
        assert any("no CUDA device" in note for note in engine.notes)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_without_a_gpu_is_an_error_that_says_so(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "m.safetensors", tiny_network(), tiny_card())
    with pytest.raises(DeviceError, match="'cuda' was asked for.*auto or cpu"):
        Engine.load(tmp_path / "m.safetensors", device="cuda")


def test_bad_names_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "m.safetensors", tiny_network(), tiny_card())
    with pytest.raises(DeviceError, match="'gpu'"):
        Engine.load(tmp_path / "m.safetensors", device="gpu")
    with pytest.raises(DeviceError, match="'fp8'"):
        Engine.load(tmp_path / "m.safetensors", device="cpu", precision="fp8")
    with pytest.raises(CheckpointError, match="does not exist"):
        Engine.load(tmp_path / "absent.safetensors")


def test_a_closed_engine_refuses_to_run() -> None:
    engine = Engine.of(tiny_network(), tiny_card(), device="cpu")
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine(picture(96, 128))


def assert_same_scene(one: Scene, other: Scene) -> None:
    """A batch sums in another order than a single image does: equal but for the last digits."""
    assert (one.width, one.height) == (other.width, other.height)
    for field in ("detections", "segmentation", "depth"):
        assert (getattr(one, field) is None) == (getattr(other, field) is None), field
    if one.depth is not None:
        np.testing.assert_allclose(one.depth.depth_m, other.depth.depth_m, rtol=1e-3)
    if one.segmentation is not None:
        assert (one.segmentation.mask == other.segmentation.mask).mean() > 0.999
    if one.detections is not None:
        assert len(one.detections) == len(other.detections) > 10
        np.testing.assert_allclose(one.detections.boxes_xyxy, other.detections.boxes_xyxy, atol=0.5)


def test_a_batch_answers_for_each_image_as_if_it_were_alone(engine: Engine) -> None:
    """Of different sizes, cameras and wanted tasks; two of one size share a forward pass."""
    images = [picture(480, 640, 1), picture(101, 333, 2), picture(480, 640, 3), picture(96, 128, 4)]
    cameras = [CAMERA, None, CAMERA.scaled(1280, 960), None]
    tasks = [None, ("depth",), ("detection", "segmentation"), ("segmentation",)]
    engine.score_threshold = 0.0
    try:
        scenes = engine.batch(images, cameras, tasks)
        for scene, image, camera, wanted in zip(scenes, images, cameras, tasks):
            assert_same_scene(scene, engine(image, camera, wanted))
    finally:
        engine.score_threshold = 0.3
    assert scenes[1].detections is None and scenes[2].depth is None


def test_what_a_camera_sees_does_not_depend_on_the_others(engine: Engine) -> None:
    image = picture(480, 640)
    beside_one = engine.batch([image, picture(480, 640, 5)])[0]
    beside_another = engine.batch([image, picture(480, 640, 6)])[0]
    np.testing.assert_array_equal(beside_one.depth.depth_m, beside_another.depth.depth_m)


def test_an_empty_batch_has_no_scenes(engine: Engine) -> None:
    assert engine.batch([]) == []
