# SPDX-License-Identifier: Apache-2.0
"""The network that a run begins with, and the optimiser that moves it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from mtl_perception.checkpoint import CheckpointError, ModelCard, TaskCard, load_checkpoint
from mtl_perception.network import MultiTaskNetwork
from mtl_perception.training.config import TrainingConfig
from mtl_perception.training.sources import Sources, class_weights


def card_of(config: TrainingConfig, sources: Sources) -> ModelCard:
    """The card of the network that ``config`` trains on ``sources``."""
    settings: dict[str, dict[str, object]] = {
        "detection": {"labels": sources.samples.detection_labels},
        "segmentation": {"labels": sources.samples.segmentation_labels},
        "depth": {},
    }
    if config.balance_classes and "segmentation" in config.tasks:
        settings["segmentation"]["class_weights"] = class_weights(sources)
    last = config.stages[-1]
    return ModelCard(
        name=config.name,
        architecture=config.built_architecture,
        input_width=last.width,
        input_height=last.height,
        tasks={task: TaskCard(kind=task, settings=settings.get(task, {})) for task in config.tasks},
        training={
            "data": ", ".join(path.name for path in config.data),
            "images": sources.images,
            "seed": config.seed,
            "balancing": config.balancing.method,
            "stages": [stage.model_dump() for stage in config.stages],
        },
    )


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
