# SPDX-License-Identifier: Apache-2.0
"""A network of twice the channels that answers as the narrow one does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from model import tiny_network

from mtl_perception.model.checkpoint import CheckpointError, ModelCard, TaskCard, load_checkpoint, save_checkpoint
from mtl_perception.model.network import Architecture, MultiTaskNetwork
from mtl_perception.tasks import HeadStyle
from mtl_perception.training.widening import widen

TASKS = {
    "detection": {"labels": ["cup", "box"]},
    "segmentation": {"labels": ["floor", "wall", "box"]},
    "depth": {"max_m": 20.0},
    "classification": {"labels": ["hall", "kitchen"]},
    "lanes": {"labels": ["drivable"]},
    "instances": {},
    "normals": {},
}
IMAGES = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def written(path: Path, architecture: Architecture) -> tuple[Path, MultiTaskNetwork]:
    cards = {task: TaskCard(kind=task, settings=settings) for task, settings in TASKS.items()}
    card = ModelCard(name="narrow", version="1", architecture=architecture, input_width=96, input_height=64, tasks=cards)
    network = tiny_network(card, seed=1).train()
    for _ in range(3):  # batch norms of their own
        network(IMAGES)
    save_checkpoint(path, network, card, dtype=torch.float32)
    return path, network.eval()


def tensors(answer: object) -> list[torch.Tensor]:
    if isinstance(answer, torch.Tensor):
        return [answer]
    return [tensor for part in (answer.values() if isinstance(answer, dict) else answer) for tensor in tensors(part)]  # type: ignore[union-attr]


@pytest.mark.parametrize("neck", ["dense_fpn", "pan", "bifpn"])
@pytest.mark.parametrize("heads", ["yolox", "slim", "wide"])
def test_the_wide_network_answers_as_the_narrow_one_and_its_copies_part_in_training(tmp_path: Path, neck: str, heads: HeadStyle) -> None:
    start, narrow = written(tmp_path / "narrow.safetensors", Architecture(encoder="yolox_nano", neck=neck, neck_channels=16, heads=heads))
    card = widen(start, tmp_path / "wide.safetensors")
    wide, stored = load_checkpoint(tmp_path / "wide.safetensors")
    wide.float().eval()
    assert stored == card and card.architecture.encoder == "yolox_nano_wide" and card.architecture.neck_channels == 32
    assert card.training["widened"] == {"from": "narrow 1", "seed": 0}
    with torch.no_grad():
        for before, after in zip(tensors(narrow(IMAGES)), tensors(wide(IMAGES)), strict=True):
            torch.testing.assert_close(after, before, rtol=2e-2, atol=2e-2)  # weights are stored in half precision

    sum(tensor.float().square().mean() for tensor in tensors(wide.train()(IMAGES))).backward()  # type: ignore[union-attr]
    gradient = wide.encoder.stages[1][0][1][0].weight.grad
    assert gradient is not None and not torch.allclose(gradient[0::2], gradient[1::2], rtol=1e-2)


def test_a_network_that_has_no_wider_one_is_named(tmp_path: Path) -> None:
    start, _ = written(tmp_path / "small.safetensors", Architecture(encoder="mobilenet_v3_small", neck_channels=8))
    with pytest.raises(CheckpointError, match="no encoder like mobilenet_v3_small with twice the channels, expected one of: yolox_nano"):
        widen(start, tmp_path / "wide.safetensors")
    gains = Architecture(encoder="yolox_nano", neck_channels=2, channel_gains={"depth": [1.0, 0.5]})
    start, _ = written(tmp_path / "gains.safetensors", gains)
    with pytest.raises(CheckpointError, match="share encoder and neck as they are"):
        widen(start, tmp_path / "wide.safetensors")
