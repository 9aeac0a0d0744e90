# SPDX-License-Identifier: Apache-2.0
"""A converted network that a disk has spoilt is made anew, and never run."""

import hashlib
import logging
import multiprocessing
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from converting import IMAGE, depth
from model import tiny_card, tiny_network

from mtl_perception.inference import Engine
from mtl_perception.inference.backends.checksums import add_checksums, read_checked, remove_spoilt, write_checked
from mtl_perception.model.checkpoint import ModelCard, save_checkpoint
from mtl_perception.model.network import Architecture

for package in ("openvino", "onnx", "onnxscript"):
    pytest.importorskip(package)


@pytest.fixture(scope="module")
def card() -> ModelCard:
    """Of one task and few operators: converting takes its time for each."""
    return tiny_card(tasks=("depth",), architecture=Architecture(encoder="mobilenet_v3_small", neck="fpn", neck_channels=16))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, card: ModelCard) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    save_checkpoint(path, tiny_network(card), card)
    return path


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> tuple[Path, np.ndarray]:
    """A cache that holds the network as it was converted once, and what that says."""
    folder = tmp_path_factory.mktemp("converted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        expected = depth(checkpoint)
    return folder / "mtl_perception", expected


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mtl_perception"


def zero_a_block(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = bytes(4096)
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [
        zero_a_block,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1000]),
        lambda path: path.with_name(path.name + ".sha256").unlink(),
        lambda path: path.with_name(path.name + ".sha256").write_bytes(b"\0" * 80),
    ],
    ids=["zeroed block", "empty", "cut", "no checksum", "spoilt checksum"],
)
def test_a_spoilt_conversion_is_made_anew(
    checkpoint: Path,
    converted: tuple[Path, np.ndarray],
    cache: Path,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], object],
) -> None:
    whole, expected = converted
    shutil.copytree(whole, cache)
    (path,) = cache.glob("*.onnx")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == path.with_name(path.name + ".sha256").read_text().split()[0]
    spoil(path)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_allclose(depth(checkpoint), expected, rtol=1e-5)
    assert f"{path} is damaged" in caplog.text
    caplog.clear()
    np.testing.assert_allclose(depth(checkpoint), expected, rtol=1e-5)
    assert caplog.text == "" and len(list(cache.iterdir())) == 2


@pytest.mark.slow
def test_a_checkpoint_that_is_replaced_while_it_is_loaded_spoils_no_cache(tmp_path: Path, cache: Path, card: ModelCard) -> None:
    """What is converted is what was loaded, and is kept under that name."""
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, tiny_network(card, seed=1), card)
    engine = Engine.load(path, device="cpu", precision="float32", backend="openvino")
    save_checkpoint(path, tiny_network(card, seed=2), card)
    first = engine(IMAGE).depth.depth_m
    assert np.abs(np.log(depth(path) / first)).max() > 0.01
    assert len(list(cache.glob("*.onnx"))) == 2


@pytest.mark.slow
def test_two_processes_may_convert_at_once(checkpoint: Path, cache: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(depth, [checkpoint, checkpoint]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    (path,) = cache.glob("*.onnx")
    assert read_checked(path) is not None and not list(cache.glob("*.part"))


def test_only_what_was_vouched_for_stays(tmp_path: Path) -> None:
    """As for TensorRT's engines, which are written by others."""
    write_checked(tmp_path / "kept", b"engine")
    (tmp_path / "strange").write_bytes(b"engine of somebody")
    write_checked(tmp_path / "spoilt", b"engine")
    (tmp_path / "spoilt").write_bytes(b"enginE")
    remove_spoilt(tmp_path)
    assert (tmp_path / "kept").exists() and not (tmp_path / "strange").exists() and not (tmp_path / "spoilt").exists()
    (tmp_path / "new").write_bytes(b"built here")
    add_checksums(tmp_path)
    remove_spoilt(tmp_path)
    assert (tmp_path / "new").read_bytes() == b"built here"
    remove_spoilt(tmp_path / "none")
