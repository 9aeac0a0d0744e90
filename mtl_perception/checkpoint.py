# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: one safetensors file with the weights and a card that says what they are. No pickle, ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mtl_perception.files import write_atomically
from mtl_perception.network import Architecture, MultiTaskNetwork
from mtl_perception.sharing.networks import NETWORKS
from mtl_perception.tasks import build_task
from mtl_perception.validation_text import in_one_line

FORMAT_VERSION = 1
"""Raised when an older reader would misunderstand a newer file."""

_CARD_KEY = "mtl_perception"
_PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin"}


class CheckpointError(ValueError):
    """A file that is no usable checkpoint; the message says which file, what is wrong and what to do."""


class TaskCard(BaseModel):
    """One head: its kind in the registry and the settings that build it."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    settings: dict[str, Any] = Field(default_factory=dict)


class ModelCard(BaseModel):
    """What a network is, apart from its weights.

    Attributes:
        input_width, input_height: the size an image is fitted into before it enters the network, pixels.
        tasks: by name, in the order of the heads.
        training: data, seeds, device, duration: what produced the weights.
        scores: by data set, by metric.
    """

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    name: str
    version: str = "0"
    architecture: Architecture
    input_width: int = Field(gt=0)
    input_height: int = Field(gt=0)
    tasks: dict[str, TaskCard]
    training: dict[str, Any] = Field(default_factory=dict)
    scores: dict[str, dict[str, float]] = Field(default_factory=dict)
    limits: str = ""

    def _labels(self, kind: str) -> list[str]:
        return next((list(task.settings["labels"]) for task in self.tasks.values() if task.kind == kind), [])

    @property
    def detection_labels(self) -> list[str]:
        """Class names in the order of the class ids; empty if the network detects nothing."""
        return self._labels("detection")

    @property
    def segmentation_labels(self) -> list[str]:
        """Class names in the order of the mask's ids; empty if the network segments nothing."""
        return self._labels("segmentation")

    @property
    def classification_labels(self) -> list[str]:
        """What an image as a whole may be; empty if the network does not say."""
        return self._labels("classification")

    @property
    def lanes_labels(self) -> list[str]:
        """Names of the masks that may overlap, in the order of their bits; empty if the network has none."""
        return self._labels("lanes")


def build_network(card: ModelCard) -> MultiTaskNetwork:
    """A network as the card describes it, with random weights.

    Raises:
        ValueError: the card names an encoder, a neck, a task or a setting that is not known, or its tasks can't be
            shared as it says.
    """
    tasks = {name: build_task(task.kind, task.settings) for name, task in card.tasks.items()}
    card.architecture.sharing.check(tasks)
    return NETWORKS[card.architecture.sharing.method](card.architecture, tasks)


def save_checkpoint(path: Path | str, network: MultiTaskNetwork, card: ModelCard, dtype: torch.dtype = torch.float16) -> None:
    """Write weights and card; the file appears whole or not at all.

    Args:
        dtype: of the stored weights. Half precision halves the file; batch norm's running variances stay in float32,
            as they may leave the range of half precision.

    Raises:
        OSError: the file can't be written, as on a full disk; an earlier file of that name is kept.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        narrow = tensor.is_floating_point() and not name.endswith("running_var")
        tensors[name] = tensor.detach().cpu().to(dtype if narrow else tensor.dtype).contiguous().clone()
    write_atomically(path, save(tensors, metadata={_CARD_KEY: card.model_dump_json()}))


def replace_card(path: Path | str, card: ModelCard) -> None:
    """Give a checkpoint another card; its weights stay, bit for bit.

    Raises:
        CheckpointError: the file is no usable checkpoint.
        OSError: it can't be written; it is then as it was.
    """
    read_card(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    write_atomically(path, save(tensors, metadata={_CARD_KEY: card.model_dump_json()}))


def read_card(path: Path | str) -> ModelCard:
    """The card of a checkpoint, without its weights.

    Raises:
        CheckpointError: the file is missing, no safetensors file, without a card, or newer than this version reads.
    """
    path = Path(path)
    if path.suffix.lower() in _PICKLE_SUFFIXES:
        raise CheckpointError(
            f"{path} is a pickle by its name ({path.suffix}): reading one can run any code, so it is refused; "
            "expected a .safetensors file written by mtl_perception"
        )
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist; give the path of a .safetensors file or a shipped model's name")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({error}); it may be truncated or, in a git checkout, a pointer to a "
            "file that was not fetched: copy it again"
        ) from error
    if _CARD_KEY not in metadata:
        raise CheckpointError(f"{path} holds weights but no card of mtl_perception; expected a file written by save_checkpoint")
    return _parse_card(path, metadata[_CARD_KEY])


def _parse_card(path: Path, text: str) -> ModelCard:
    try:
        content = json.loads(text)
        version = content.get("format_version")
    except (json.JSONDecodeError, AttributeError) as error:
        raise CheckpointError(f"{path}: the card is not a JSON object ({error}); the file is damaged, copy it again") from error
    if not isinstance(version, int) or version < 1:
        raise CheckpointError(f"{path}: the card's format_version is {version!r}, expected a whole number from 1")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {version}, this version of mtl_perception reads up to {FORMAT_VERSION}; "
            "upgrade the package"
        )
    try:
        return ModelCard.model_validate(content)
    except ValidationError as error:
        raise CheckpointError(f"{path}: the card is not valid: {in_one_line(error, 'card')}") from error


def load_checkpoint(path: Path | str) -> tuple[MultiTaskNetwork, ModelCard]:
    """The network on the CPU, in float32 and evaluation mode, and its card.

    Raises:
        CheckpointError: see ``read_card``; or the weights are not those that the card's network has.
    """
    path = Path(path)
    card = read_card(path)
    try:
        network = build_network(card)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    expected = network.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            _check_tensors(path, {name: list(file.get_slice(name).get_shape()) for name in file.keys()}, expected)
            stored = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise CheckpointError(f"{path}: weights can't be read ({error}); copy the file again") from error
    spoilt = [name for name, tensor in stored.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if spoilt:
        raise CheckpointError(f"{path}: {spoilt[0]} holds values that are not finite; the training that wrote it went wrong")
    network.load_state_dict({name: tensor.to(expected[name].dtype) for name, tensor in stored.items()})
    return network.eval(), card


def _check_tensors(path: Path, stored: dict[str, list[int]], expected: dict[str, Tensor]) -> None:
    for name, tensor in expected.items():
        if name not in stored:
            raise CheckpointError(f"{path}: weights '{name}' are missing; the card describes another network than the file holds")
        if stored[name] != list(tensor.shape):
            raise CheckpointError(
                f"{path}: weights '{name}' have shape {stored[name]}, the card's network needs {list(tensor.shape)}; "
                "is the number of labels in the card the one it was trained with?"
            )
    extra = sorted(set(stored) - set(expected))
    if extra:
        raise CheckpointError(f"{path}: weights '{extra[0]}' belong to nothing in the card's network")
