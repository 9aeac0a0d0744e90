# SPDX-License-Identifier: Apache-2.0
"""Small networks with a branch."""

from __future__ import annotations

from pathlib import Path

import torch
from model import tiny_network

from mtl_perception.model.checkpoint import ModelCard, TaskCard, load_checkpoint, save_checkpoint
from mtl_perception.model.network import Architecture
from mtl_perception.training.grafting import graft

OLD = {
    "detection": {"labels": ["cup", "box", "chair"]},
    "segmentation": {"labels": ["wall", "floor", "chair"]},
    "depth": {"max_m": 20.0},
}
NEW = ["crate", "tin"]
LITE = Architecture(encoder="yolox_nano", neck="dense_fpn", neck_channels=16, heads="yolox")
TWO_ENCODERS = LITE.model_copy(update={"encoder": "yolox_nano+efficientnet_lite0"})
ROOMS = Architecture(encoder="mobilenet_v3_small", neck="pan", neck_channels=8)


def card_of(tasks: dict[str, dict], architecture: Architecture) -> ModelCard:
    cards = {task: TaskCard(kind=task, settings=settings) for task, settings in tasks.items()}
    return ModelCard(name="old", version="1", architecture=architecture, input_width=96, input_height=64, tasks=cards)


def write_start(path: Path, architecture: Architecture = LITE, tasks: dict[str, dict] = OLD) -> Path:
    card = card_of(tasks, architecture)
    save_checkpoint(path, tiny_network(card, seed=1), card, dtype=torch.float32)
    return path


def write_tuned(path: Path, start: Path, stages: int, labels: list[str] = NEW) -> Path:
    """Another network, but for the first stages of its encoder, which are those of ``start``."""
    network, card = load_checkpoint(start)
    own_card = card_of({"detection": {"labels": labels}}, card.architecture)
    own = tiny_network(own_card, seed=2)
    for mine, theirs in list(zip(own.encoder.stages, network.encoder.stages, strict=True))[:stages]:
        mine.load_state_dict(theirs.state_dict())
    save_checkpoint(path, own, own_card)
    return path


def grafted(folder: Path, architecture: Architecture = LITE, stages: int = 4) -> tuple[Path, Path, Path]:
    """The paths of a network, of one that was trained from it, and of what both make."""
    start = write_start(folder / "old.safetensors", architecture)
    tuned, out = write_tuned(folder / "tuned.safetensors", start, stages), folder / "new.safetensors"
    graft(start, tuned, out)
    return start, tuned, out
