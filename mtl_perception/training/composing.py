# SPDX-License-Identifier: Apache-2.0
"""A network with a second, pretrained encoder beside its own, which begins with what it knows.

The layers behind the encoder get columns of zeros for the new feature maps: the answers are the same until training gives these some weight.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from mtl_perception.model.checkpoint import CheckpointError, ModelCard, build_network, find_checkpoint, load_checkpoint, save_checkpoint
from mtl_perception.model.encoders import COMPOSITES, build_encoder
from mtl_perception.training.encoder_weights import fill_encoder


def compose(start: Path, out: Path, weights: str = "imagenet") -> ModelCard:
    """Write a network that has a second encoder beside that of ``start`` and answers as ``start`` does, to be trained further.

    Args:
        start: a checkpoint, or a shipped model's name.
        weights: of the second encoder: ``imagenet``, or a file, as a training's ``encoder_weights``.

    Returns:
        The card of the new checkpoint, with what was done in ``training``. Scores are left out: nobody has measured them.

    Raises:
        CheckpointError: ``start`` is missing, no second encoder is known for its, or its tasks share more than encoder and neck.
        TrainingError: the weights can't be had.
        OSError: ``out`` can't be written.
    """
    network, card = load_checkpoint(find_checkpoint(start))
    old = card.architecture
    if old.encoder not in COMPOSITES:
        raise CheckpointError(f"{start}: no second encoder is known for {old.encoder}, expected one of: {', '.join(COMPOSITES)}")
    if old.sharing.method != "hard" or old.channel_gains or old.branch is not None:
        raise CheckpointError(
            f"{start}: only networks that share encoder and neck as they are (sharing: hard, no branch) can have two encoders"
        )
    name, both = COMPOSITES[old.encoder]
    second = build_encoder(name)
    origin = fill_encoder(second, name, weights)
    training = {**card.training, "composed": {"from": f"{card.name} {card.version}", "encoder": name, "encoder_weights": origin}}
    card = card.model_copy(update={"architecture": old.model_copy(update={"encoder": both}), "training": training, "scores": {}})
    composed = build_network(card)
    own = composed.state_dict()
    taken = {_renamed(key): value for key, value in network.state_dict().items()}
    taken = {key: _with_zero_columns(value, own[key].shape) for key, value in taken.items()}
    for number, stage in enumerate(second.stages):
        place = "second.1" if number == 0 else "second"  # behind the other normalisation of the images
        taken |= {f"encoder.stages.{number}.{place}.{key}": value for key, value in stage.state_dict().items()}
    composed.load_state_dict(taken)
    save_checkpoint(out, composed, card)
    return card


def _renamed(key: str) -> str:
    parts = key.split(".")
    return ".".join([*parts[:3], "first", *parts[3:]]) if parts[:2] == ["encoder", "stages"] else key


def _with_zero_columns(weight: Tensor, shape: torch.Size) -> Tensor:
    if weight.shape == shape:
        return weight
    wider = weight.new_zeros(shape)
    wider[:, : weight.shape[1]] = weight
    return wider
