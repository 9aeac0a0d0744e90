# SPDX-License-Identifier: Apache-2.0
"""The network that a run begins with, and the optimiser that moves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from mtl_perception.checkpoint import CheckpointError, ModelCard, TaskCard, load_checkpoint
from mtl_perception.data.folder import ImageFolder
from mtl_perception.network import VARIANTS, MultiTaskNetwork
from mtl_perception.scene import UNLABELLED
from mtl_perception.training.config import TrainingConfig


def card_of(config: TrainingConfig, folder: ImageFolder) -> ModelCard:
    """The card of the network that ``config`` trains on ``folder``."""
    settings: dict[str, dict[str, object]] = {
        "detection": {"labels": folder.detection_labels},
        "segmentation": {"labels": folder.segmentation_labels},
        "depth": {},
    }
    if config.balance_classes and "segmentation" in config.tasks:
        settings["segmentation"]["class_weights"] = class_weights(folder)
    last = config.stages[-1]
    return ModelCard(
        name=config.name,
        architecture=VARIANTS[config.variant],
        input_width=last.width,
        input_height=last.height,
        tasks={task: TaskCard(kind=task, settings=settings.get(task, {})) for task in config.tasks},
        training={"data": config.data.name, "images": len(folder), "seed": config.seed, "stages": [s.model_dump() for s in config.stages]},
    )


def class_weights(folder: ImageFolder, images: int = 300) -> list[float]:
    """Inverse root of each class's share of pixels over evenly spread samples, mean 1, kept within 0.2 and 2.5."""
    counts = np.zeros(256, np.int64)
    for i in np.linspace(0, len(folder) - 1, min(images, len(folder))).astype(int):
        mask = folder[int(i)].labels.get("segmentation")
        if mask is not None:
            counts += np.bincount(mask.ravel(), minlength=256)
    shares = counts[: len(folder.segmentation_labels)] / max(1, counts[:UNLABELLED].sum())
    weights = 1 / np.sqrt(shares + 1e-4)
    return [round(float(w), 4) for w in np.clip(weights / weights.mean(), 0.2, 2.5)]


def take_over(path: Path, network: MultiTaskNetwork, card: ModelCard) -> list[str]:
    """Copy every weight of the checkpoint ``path`` that has a counterpart in ``network``; its card remembers the origin.

    Returns:
        The parts of the network that begin anew.

    Raises:
        CheckpointError: the checkpoint can't be used, or is of another architecture.
    """
    loaded, earlier = load_checkpoint(path)
    if earlier.architecture != card.architecture:
        raise CheckpointError(
            f"start_from: {path} is made of {earlier.architecture}, this run trains {card.architecture}; choose the same variant"
        )
    own = network.state_dict()
    fitting = {name: value for name, value in loaded.state_dict().items() if name in own and own[name].shape == value.shape}
    network.load_state_dict(fitting, strict=False)
    card.training["start_from"] = {"name": earlier.name, **earlier.training}
    return sorted({name.split(".")[1] for name in own.keys() - fitting.keys()})


def optimizer_of(config: TrainingConfig, network: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """AdamW; biases and the two parameters of batch norm are not decayed."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=device.type == "cuda")
