# SPDX-License-Identifier: Apache-2.0
"""Between a network and its fine-tuned version."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from model import tiny_network

from mtl_perception.model.checkpoint import CheckpointError, ModelCard, TaskCard, load_checkpoint, save_checkpoint
from mtl_perception.model.network import Architecture
from mtl_perception.training.interpolation import interpolate

OLD = {"detection": {"labels": ["cup", "box"]}, "depth": {"max_m": 20.0}}
NEW = {"detection": {"labels": ["box", "tray", "cup"]}, "depth": {"max_m": 20.0}, "classification": {"labels": ["hall", "kitchen"]}}


def written(path: Path, tasks: dict[str, dict], seed: int, encoder: str = "mobilenet_v3_small") -> Path:
    architecture = Architecture(encoder=encoder, neck_channels=8)
    cards = {task: TaskCard(kind=task, settings=settings) for task, settings in tasks.items()}
    card = ModelCard(
        name=path.stem, version="1", architecture=architecture, input_width=64, input_height=64, tasks=cards, scores={"a": {"b": 1.0}}
    )
    save_checkpoint(path, tiny_network(card, seed=seed), card, dtype=torch.float32)
    return path


def test_weights_lie_between_both_and_classes_go_by_name(tmp_path: Path) -> None:
    start, tuned = written(tmp_path / "old.safetensors", OLD, 1), written(tmp_path / "new.safetensors", NEW, 2)
    card = interpolate(start, tuned, 0.75, tmp_path / "out.safetensors")
    (a, _), (b, _), (mixed, stored) = (load_checkpoint(path) for path in (start, tuned, tmp_path / "out.safetensors"))
    assert stored == card and card.training["interpolated"] == {"from": "old 1", "share": 0.75} and card.scores == {}
    assert stored.detection_labels == NEW["detection"]["labels"]

    weight = next(name for name in a.state_dict() if name.startswith("encoder.") and name.endswith("weight"))
    close = {"rtol": 1e-3, "atol": 1e-3}  # half precision
    torch.testing.assert_close(mixed.state_dict()[weight], a.state_dict()[weight].lerp(b.state_dict()[weight], 0.75), **close)
    before, after, between = (network.heads["detection"].classify["p3"].weight for network in (a, b, mixed))
    torch.testing.assert_close(between[0], before[1].lerp(after[0], 0.75), **close)
    torch.testing.assert_close(between[2], before[0].lerp(after[2], 0.75), **close)
    torch.testing.assert_close(between[1], after[1], **close)
    for name, value in mixed.heads["classification"].state_dict().items():
        torch.testing.assert_close(value, b.heads["classification"].state_dict()[name], **close)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_ends_are_the_networks_themselves(tmp_path: Path, share: float) -> None:
    start, tuned = written(tmp_path / "old.safetensors", OLD, 1), written(tmp_path / "new.safetensors", OLD, 2)
    interpolate(start, tuned, share, tmp_path / "out.safetensors")
    wanted, found = (load_checkpoint(path)[0].state_dict() for path in (tuned if share else start, tmp_path / "out.safetensors"))
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-3)


def test_what_can_not_be_averaged_is_named(tmp_path: Path) -> None:
    start, other = written(tmp_path / "old.safetensors", OLD, 1), written(tmp_path / "other.safetensors", OLD, 1, "mobilenet_v3_large")
    with pytest.raises(CheckpointError, match="different architectures .mobilenet_v3_small and mobilenet_v3_large"):
        interpolate(start, other, 0.5, tmp_path / "out.safetensors")
    with pytest.raises(ValueError, match=r"the share is 1\.5, expected 0"):
        interpolate(start, start, 1.5, tmp_path / "out.safetensors")
    with pytest.raises(CheckpointError, match="missing"):
        interpolate(tmp_path / "missing.safetensors", start, 0.5, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
