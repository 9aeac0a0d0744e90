# SPDX-License-Identifier: Apache-2.0
"""What a network costs, apart from time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from mtl_perception.checkpoint import ModelCard, build_network


@dataclass(frozen=True)
class Cost:
    """Parameters, and 10⁹ multiply-adds of one image's forward pass at the card's input size and at 640×480."""

    parameters: int
    gmac: float
    gmac_640x480: float


def network_cost(card: ModelCard) -> Cost:
    """Counted on a network without weights; multiply-adds are those of convolutions and matrix products.

    Raises:
        ValueError: the card describes no network that can be built.
    """
    network = build_network(card).eval().to("meta")
    return Cost(
        sum(parameter.numel() for parameter in network.parameters()),
        _gmac(network, card.input_width, card.input_height),
        _gmac(network, 640, 480),
    )


@torch.no_grad()
def _gmac(network: torch.nn.Module, width: int, height: int) -> float:
    counter = FlopCounterMode(display=False)
    with counter:
        network(torch.empty(1, 3, height, width, dtype=torch.uint8, device="meta"))
    return counter.get_total_flops() / 2e9  # it counts a multiply-add as two
