# SPDX-License-Identifier: Apache-2.0
"""Multiply-adds, parameters and size of a network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtl_perception.model.checkpoint import ModelCard, weightless_network


@dataclass(frozen=True)
class Cost:
    """Parameters, and 10⁹ multiply-adds of one image's forward pass at the card's input size and at 640×480."""

    parameters: int
    gmac: float
    gmac_640x480: float


def network_cost(card: ModelCard) -> Cost:
    """Counted on a network without weights.

    Raises:
        ValueError: the card describes no network that can be built.
    """
    network = weightless_network(card)
    return Cost(
        _parameters(network),
        count_gmac(network, card.input_width, card.input_height),
        count_gmac(network, 640, 480),
    )


def parameter_count(card: ModelCard) -> int:
    """Of the card's network.

    Raises:
        ValueError: the card describes no network that can be built.
    """
    return _parameters(weightless_network(card))


@torch.no_grad()
def count_gmac(network: nn.Module, width: int, height: int) -> float:
    """10⁹ multiply-adds of the convolutions and linear layers for one image; the rest is small beside them.

    Args:
        network: takes (1, 3, height, width) uint8 on the device of its parameters; on "meta" nothing is computed.
    """
    total = 0

    def count(layer: nn.Module, _: tuple, output: Tensor) -> None:
        nonlocal total
        # Each value of the output is a sum over the weights of one output channel.
        total += output.numel() * layer.weight[0].numel()

    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        device = next(network.parameters()).device
        network(torch.empty(1, 3, height, width, dtype=torch.uint8, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return total / 1e9


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
