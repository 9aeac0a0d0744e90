# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning of a transformer encoder through low-rank adapters beside frozen weights."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from mtl_perception.model.checkpoint import ModelCard, build_network
from mtl_perception.model.encoders import Encoder
from mtl_perception.model.network import MultiTaskNetwork
from mtl_perception.training.low_bit.low_rank import LowRankLinear


def add_adapters(network: MultiTaskNetwork, rank: int, alpha: float, nf4: bool) -> None:
    """Freeze the encoders of ``network`` and put an adapter beside each of their linear layers, in place. Neck and heads
    are trained as before."""
    for encoder in network.modules():
        if isinstance(encoder, Encoder):
            encoder.requires_grad_(False)
            for parent, name, layer in list(_linear_layers(encoder)):
                setattr(parent, name, LowRankLinear(layer, rank, alpha, nf4))


def merged(network: MultiTaskNetwork, card: ModelCard) -> MultiTaskNetwork:
    """An ordinary network that computes what ``network``, with adapters, does; ``card`` describes it."""
    state = network.state_dict()
    for path, layer in network.named_modules():
        if isinstance(layer, LowRankLinear):
            for name in ("down", "up", "_extra_state"):
                del state[f"{path}.{name}"]
            state[f"{path}.weight"] = layer.merged_weight()
    with torch.random.fork_rng(devices=[]):  # its random weights are of no use, and training draws from there too
        plain = build_network(card)
    plain.load_state_dict(state)
    return plain.train(network.training)


def _linear_layers(root: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    for parent in root.modules():
        for name, child in parent.named_children():
            if type(child) is nn.Linear:
                yield parent, name, child
