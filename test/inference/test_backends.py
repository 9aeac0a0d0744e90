# SPDX-License-Identifier: Apache-2.0
"""A checkpoint says the same whatever runs it."""

import logging
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from model import tiny_card, tiny_network

from mtl_perception.core.geometry import Intrinsics, View
from mtl_perception.core.scene import Scene
from mtl_perception.inference import DeviceError, Engine
from mtl_perception.inference.backends import Answers, Runner, TorchBackend
from mtl_perception.inference.graph import Graph

CAMERA = Intrinsics(128, 96, 100.0, 100.0, 63.5, 47.5)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    smooth = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(seed)) * 255
    large = torch.nn.functional.interpolate(smooth, (height, width), mode="bilinear")
    return large[0].permute(1, 2, 0).to(torch.uint8).contiguous().numpy()


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Shared by the tests of this file: converting takes seconds."""
    for name in ("openvino", "onnx", "onnxscript"):
        pytest.importorskip(name)
    folder = tmp_path_factory.getbasetemp() / "conversions"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "mtl_perception"


def same_answers(one: Scene, other: Scene, depth: float, mask: float) -> None:
    assert np.abs(np.log(one.depth.depth_m / other.depth.depth_m)).mean() <= depth
    assert (one.segmentation.mask == other.segmentation.mask).mean() >= mask


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(96, 128), (288, 384), (72, 128), (48, 64)])
def test_openvino_agrees_with_pytorch(checkpoint: Path, cache: Path, height: int, width: int) -> None:
    engine = Engine.load(checkpoint, device="cpu", precision="float32", backend="openvino")
    torch_engine = Engine.load(checkpoint, device="cpu", precision="float32", backend="torch")
    assert (engine.backend, torch_engine.backend) == ("openvino", "torch")
    image, camera = picture(height, width), CAMERA.scaled(width, height)
    found, expected = engine(image, camera), torch_engine(image, camera)
    # A small image is enlarged in front of the network, and rounded there for the one and not for the other.
    same_answers(found, expected, 1e-4 if width >= 128 else 0.02, 0.999 if width >= 128 else 0.97)
    assert set(found.stage_s) == {"preprocess", "network", "postprocess"}
    only = engine(image, camera, ["depth"])
    assert only.detections is None
    np.testing.assert_allclose(only.depth.depth_m, found.depth.depth_m, rtol=1e-4)


@pytest.mark.slow
def test_a_network_is_converted_once(checkpoint: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Engine.load(checkpoint, device="cpu", backend="openvino").warm_up(96, 128)
        caplog.clear()
        Engine.load(checkpoint, device="cpu", backend="openvino").warm_up(96, 128)
    assert "converting" not in caplog.text
    assert len(list(cache.glob("*.onnx"))) >= 1


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_done_without(
    checkpoint: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    scene = Engine.load(checkpoint, device="cpu", backend="openvino")(picture(96, 128), CAMERA)
    assert "converting" in caplog.text
    assert scene.depth.depth_m.shape == (96, 128)


def test_openvino_is_for_the_cpu(checkpoint: Path, cache: Path) -> None:
    message = "runs on the CPU" if torch.cuda.is_available() else "'cuda' was asked for"
    with pytest.raises(DeviceError, match=message):
        Engine.load(checkpoint, device="cuda", backend="openvino")


def test_images_of_any_size_are_laid_into_the_networks_input() -> None:
    """Averages are kept, edges stay where they are, the padding is grey."""
    for width, height in ((128, 96), (384, 288), (640, 360), (64, 48), (200, 96)):
        view = View.fit(width, height, 128, 96, 32)
        image = np.zeros((height, width, 3), np.uint8)
        image[:, width // 2 :] = 200
        laid_out = Graph(tiny_network(), view, []).lay_out(torch.from_numpy(image)[None]).float()
        assert laid_out.shape == (1, 3, view.input_height, view.input_width)
        content = laid_out[0, :, : view.content_height, : view.content_width]
        assert content.mean() == pytest.approx(100, abs=2)
        assert (content[:, :, : view.content_width // 2 - 1] < 1).all()
        assert (content[:, :, view.content_width // 2 + 1 :] > 199).all()
        padding = torch.cat([laid_out[0, :, view.content_height :].flatten(), laid_out[0, :, :, view.content_width :].flatten()])
        assert ((padding > 100) & (padding < 130)).all()


def test_only_so_many_graphs_are_kept() -> None:
    engine = Engine.of(tiny_network(), tiny_card(), device="cpu")
    sizes = [(96 - 2 * step, 128) for step in range(16)]
    for height, width in sizes:
        engine(np.zeros((height, width, 3), np.uint8), tasks=["depth"])
    assert len(engine._runners) == 12
    assert engine(np.zeros((*sizes[0], 3), np.uint8), tasks=["depth"]).depth.depth_m.shape == sizes[0]


class Activations:
    """What a run has filled the memory with when it fails."""


class ShortOfMemory(TorchBackend):
    """The first ``failures`` runs find no memory on the GPU, as a machine without one can't show otherwise."""

    def __init__(self, failures: int) -> None:
        super().__init__(tiny_network(), tiny_card(), "cpu", "float32")
        self.failures, self.held = failures, None

    def free(self) -> None:
        assert self.held is not None and self.held() is None, "what the failed run held is still there"

    def runner(self, view: View, batch: int, tasks: tuple[str, ...]) -> Runner:
        run = super().runner(view, batch, tasks)

        def short(images_rgb: np.ndarray, focal_px: np.ndarray) -> Answers:
            self.failures -= 1
            if self.failures >= 0:
                activations = Activations()
                self.held = weakref.ref(activations)
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return run(images_rgb, focal_px)

        return short


def test_without_memory_an_engine_frees_its_own_and_tries_once_more() -> None:
    expected = Engine.of(tiny_network(), tiny_card(), "cpu", "float32")(picture(96, 128), CAMERA)
    found = Engine(ShortOfMemory(1))(picture(96, 128), CAMERA)
    np.testing.assert_array_equal(found.depth.depth_m, expected.depth.depth_m)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        Engine(ShortOfMemory(2))(picture(96, 128), CAMERA)


@pytest.mark.slow
def test_ctrl_c_is_noted_after_engines_have_come_and_gone(checkpoint: Path, cache: Path) -> None:
    code = f"""
import gc, signal
import numpy as np
from mtl_perception.inference import Engine
image = np.zeros((96, 128, 3), np.uint8)
first = Engine.load({str(checkpoint)!r}, "cpu", backend="openvino")
first(image)
second = Engine.load({str(checkpoint)!r}, "cpu", backend="openvino")
second(image, None, ["depth"])
first.close()
del first
gc.collect()
second.close()
del second
gc.collect()
signal.signal(signal.SIGINT, lambda number, frame: print("noted"))
signal.raise_signal(signal.SIGINT)
"""
    # faulthandler would bring a stack of its own and hide that there is none.
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().endswith("noted")
