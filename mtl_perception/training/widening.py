# SPDX-License-Identifier: Apache-2.0
"""A network of twice the channels that begins with what a trained one knows: Net2WiderNet of Net2Net (Chen et al., ICLR 2016).

Every channel is there twice, and what reads it takes a part of its weight from either copy, so both networks give the same answers. The
parts differ at random: copies with equal weights would have equal gradients and stay copies.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from mtl_perception.model.checkpoint import CheckpointError, ModelCard, build_network, find_checkpoint, load_checkpoint, save_checkpoint
from mtl_perception.model.encoders import WIDER

_UNEVENNESS = 0.3
"""By which the parts differ from a half, as a share of the weight, at most."""


def widen(start: Path, out: Path, seed: int = 0) -> ModelCard:
    """Write a network of twice the channels in encoder, neck and heads that answers as ``start`` does, to be trained further.

    Args:
        start: a checkpoint, or a shipped model's name.
        seed: of how each weight is divided between two copies.

    Returns:
        The card of the new checkpoint, with what was done in ``training``. Scores are left out: nobody has measured them.

    Raises:
        CheckpointError: ``start`` is missing, there is no wider encoder than its, or its tasks share more than encoder and neck.
        OSError: ``out`` can't be written.
    """
    network, card = load_checkpoint(find_checkpoint(start))
    old = card.architecture
    if old.encoder not in WIDER:
        raise CheckpointError(
            f"{start}: there is no encoder like {old.encoder} with twice the channels, expected one of: {', '.join(WIDER)}"
        )
    if old.sharing.method != "hard" or old.channel_gains or old.branch is not None:
        raise CheckpointError(f"{start}: only networks that share encoder and neck as they are (sharing: hard, no branch) can be widened")
    wider = old.model_copy(update={"encoder": WIDER[old.encoder], "neck_channels": 2 * old.neck_channels})
    training = {**card.training, "widened": {"from": f"{card.name} {card.version}", "seed": seed}}
    card = card.model_copy(update={"architecture": wider, "training": training, "scores": {}})
    wide = build_network(card)
    generator = torch.Generator().manual_seed(seed)
    weights = network.state_dict()
    wide.load_state_dict({key: _doubled(weights[key], value.shape, generator) for key, value in wide.state_dict().items()})
    save_checkpoint(out, wide, card)
    return card


def _doubled(weight: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Copies of a channel lie side by side, so that they do so too after tensors are concatenated."""
    if weight.dim() > 0 and shape[0] == 2 * weight.shape[0]:
        weight = weight.repeat_interleave(2, 0)
    if weight.dim() > 1 and shape[1] == 2 * weight.shape[1]:
        part = 0.5 + _UNEVENNESS * (torch.rand(weight.shape, generator=generator) - 0.5)
        weight = torch.stack([weight * part, weight * (1 - part)], 2).flatten(1, 2)
    return weight
