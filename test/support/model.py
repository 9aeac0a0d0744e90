# SPDX-License-Identifier: Apache-2.0
"""Small networks with random weights, for tests that need a real one but not a trained one."""

from __future__ import annotations

import torch
from shapes import DETECTION_LABELS, SEGMENTATION_LABELS

from mtl_perception.model.checkpoint import ModelCard, TaskCard, build_network
from mtl_perception.model.network import VARIANTS, MultiTaskNetwork


def tiny_card(variant: str = "lite", tasks: tuple[str, ...] = ("detection", "segmentation", "depth"), **changes: object) -> ModelCard:
    """A card for images of 128×96 with the labels of the shapes data set."""
    settings = {"detection": {"labels": DETECTION_LABELS}, "segmentation": {"labels": SEGMENTATION_LABELS}, "depth": {}, "instances": {}}
    values: dict[str, object] = {
        "name": "tiny",
        "architecture": VARIANTS[variant],
        "input_width": 128,
        "input_height": 96,
        "tasks": {task: TaskCard(kind=task, settings=settings[task]) for task in tasks},
    }
    return ModelCard(**{**values, **changes})


def tiny_network(card: ModelCard | None = None, seed: int = 0) -> MultiTaskNetwork:
    """The card's network with random weights and batch norms that have seen data, so that outputs vary by pixel."""
    torch.manual_seed(seed)
    network = build_network(card or tiny_card())
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randint(0, 256, (4, 3, 96, 128), dtype=torch.uint8))
    return network.eval()
