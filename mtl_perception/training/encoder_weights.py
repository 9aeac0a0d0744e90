# SPDX-License-Identifier: Apache-2.0
"""torchvision's ImageNet weights for the encoders of a network."""

from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from torch import Tensor

from mtl_perception.encoders import Encoder
from mtl_perception.network import MultiTaskNetwork
from mtl_perception.training.errors import TrainingError


def load_imagenet_weights(network: MultiTaskNetwork) -> str:
    """Put torchvision's weights into each encoder of ``network``, downloading them unless torch's cache has them.

    Returns:
        What they are, for the card.

    Raises:
        TrainingError: they can't be had; names the file and where to put it.
    """
    name = network.architecture.encoder
    weights = torchvision.models.get_model_weights(name).DEFAULT
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        stored = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise TrainingError(
            f"encoder_weights: can't get the weights of {name} ({error}); put the file {weights.url} into {folder}, "
            "or set encoder_weights to none"
        ) from error
    for encoder in network.modules():
        if isinstance(encoder, Encoder):
            _fill(encoder, stored, name)
    return str(weights)


def _fill(encoder: Encoder, stored: dict[str, Tensor], name: str) -> None:
    """An encoder is the front of torchvision's network, cut into stages, so its tensors come first and in one order."""
    own = encoder.state_dict()
    fitting = list(stored.items())[: len(own)]
    for (own_key, own_value), (key, value) in zip(own.items(), fitting, strict=True):
        if own_key.rpartition(".")[2] != key.rpartition(".")[2] or own_value.shape != value.shape:
            raise TrainingError(f"encoder_weights: '{key}' of {name} does not fit '{own_key}'; is the file of another version of torchvision?")
    encoder.load_state_dict({own_key: value for own_key, (_, value) in zip(own, fitting, strict=True)})
