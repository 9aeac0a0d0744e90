# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: one safetensors file with the weights and a card that says what they are. No pickle, ever."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator, model_validator
from pydantic_core import from_json
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mtl_perception.core.files import write_atomically
from mtl_perception.core.resources import find_model
from mtl_perception.core.validation_text import problems, shown
from mtl_perception.model.branched import BranchedNetwork
from mtl_perception.model.network import Architecture, MultiTaskNetwork
from mtl_perception.model.sharing.networks import NETWORKS
from mtl_perception.tasks import build_task

FORMAT_VERSION = 1
"""Raised when an older reader would misunderstand a newer file."""

MOST_PIXELS = 2**24
"""Of a network's input: more than any camera's image that a network could look at as a whole."""

_CARD_KEY = "mtl_perception"
_PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin"}
_LONGEST_HEADER = 2**24
"""Bytes; three hundred times that of a shipped checkpoint. safetensors itself takes six times as much."""

_FLOATS = {"F64", "F32", "F16", "BF16"}
_INTEGERS = {"I64", "I32"}

Side = Annotated[int, Field(gt=0, le=8192)]
"""Width or height of a network's input, pixels."""


class CheckpointError(ValueError):
    """A file that is no usable checkpoint; the message says which file, what is wrong and what to do."""


class TaskCard(BaseModel):
    """One head: its kind in the registry and the settings that build it."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    settings: dict[str, Any] = Field(default_factory=dict)


class ModelCard(BaseModel):
    """Describes a network, apart from its weights.

    Attributes:
        input_width, input_height: the size an image is fitted into before it enters the network, pixels.
        tasks: by name, in the order of the heads.
        training: data, seeds, device, duration: what produced the weights.
        scores: by data set, by metric.
    """

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    name: str = Field(min_length=1, max_length=200)
    version: str = Field("0", max_length=200)
    architecture: Architecture
    input_width: Side
    input_height: Side
    tasks: dict[str, TaskCard] = Field(min_length=1)
    training: dict[str, Any] = Field(default_factory=dict)
    scores: dict[str, dict[str, FiniteFloat]] = Field(default_factory=dict)
    limits: str = ""

    @field_validator("tasks")
    @classmethod
    def _can_be_built(cls, tasks: dict[str, TaskCard]) -> dict[str, TaskCard]:
        kinds: dict[str, str] = {}
        taken = nn.ModuleDict()
        for name, task in tasks.items():
            # The heads are modules of these names, and answers are called NAME.ANSWER.
            if not name.isidentifier() or len(name) > 100 or hasattr(taken, name):
                raise ValueError(f"a task is called {shown(name)}, expected letters, digits and _, and no word of Python's")
            build_task(task.kind, task.settings)
            if task.kind in kinds:
                raise ValueError(f"tasks '{kinds[task.kind]}' and '{name}' are both of kind {task.kind}; a network has one of each")
            kinds[task.kind] = name
        return tasks

    @model_validator(mode="after")
    def _consistent(self) -> ModelCard:
        if self.input_width * self.input_height > MOST_PIXELS:
            raise ValueError(f"an input of {self.input_width}×{self.input_height} has more than {MOST_PIXELS} pixels")
        if self.architecture.branch is not None:
            self.architecture.branch.check({name: task.settings.get("labels", []) for name, task in self.tasks.items()})
        return self

    def labels_of(self, kind: str) -> list[str]:
        """Class names of the task of this kind, in the order of their ids; empty if the network has none, or it has no classes."""
        return next((list(task.settings.get("labels", [])) for task in self.tasks.values() if task.kind == kind), [])

    @property
    def kinds(self) -> list[str]:
        """Kinds of the tasks, in their order."""
        return [task.kind for task in self.tasks.values()]

    @property
    def detection_labels(self) -> list[str]:
        """Class names in the order of the class ids; empty if the network detects nothing."""
        return self.labels_of("detection")

    @property
    def segmentation_labels(self) -> list[str]:
        """Class names in the order of the mask's ids; empty if the network segments nothing."""
        return self.labels_of("segmentation")


def build_network(card: ModelCard) -> MultiTaskNetwork:
    """A network as the card describes it, with random weights.

    Raises:
        ValueError: the card names an encoder, a neck, a task or a setting that is not known, or its tasks can't be
            shared as it says.
    """
    tasks = {name: build_task(task.kind, task.settings) for name, task in card.tasks.items()}
    card.architecture.sharing.check(tasks)
    kind = NETWORKS[card.architecture.sharing.method] if card.architecture.branch is None else BranchedNetwork
    return kind(card.architecture, tasks)


def weightless_network(card: ModelCard) -> MultiTaskNetwork:
    """``build_network`` without memory behind the weights, and without the time that random ones take: for shapes and counts.

    Raises:
        ValueError: as ``build_network``.
    """
    with torch.device("meta"), _Unfilled():
        return build_network(card).eval()


class _Unfilled(TorchFunctionMode):
    """Inside, tensors are not filled with random numbers: where there is no memory behind them, PyTorch goes through that in Python,
    which can take as long as all the rest."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return func(*args, **(kwargs or {}))


def save_checkpoint(path: Path | str, network: MultiTaskNetwork, card: ModelCard, dtype: torch.dtype = torch.float16) -> None:
    """Write weights and card; the file appears whole or not at all.

    Args:
        dtype: of the stored weights. Half precision halves the file; batch norm's running variances, which may leave its range, stay
            as they are, and so does any other tensor that leaves it.

    Raises:
        OSError: the file can't be written, as on a full disk; an earlier file of that name is kept.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        own = tensor.detach().cpu()
        narrow = own.is_floating_point() and not name.endswith("running_var") and _fits(own, dtype)
        tensors[name] = own.to(dtype if narrow else own.dtype).contiguous().clone()
    write_atomically(path, save(tensors, metadata={_CARD_KEY: card.model_dump_json()}))


def _fits(tensor: Tensor, dtype: torch.dtype) -> bool:
    return not tensor.numel() or bool(tensor.abs().max() <= torch.finfo(dtype).max)


def replace_card(path: Path | str, card: ModelCard) -> None:
    """Give a checkpoint another card; its weights stay, bit for bit.

    Raises:
        CheckpointError: the file is no usable checkpoint.
        OSError: it can't be written; it is then as it was.
    """
    with _opened(path) as stored:
        _checked_network(stored)
        tensors = stored.tensors()
    write_atomically(path, save(tensors, metadata={_CARD_KEY: card.model_dump_json()}))


def find_checkpoint(model: Path | str, setting: str = "") -> Path:
    """``find_model`` for those who answer for a checkpoint.

    Args:
        setting: the one that names the model, for the message.

    Raises:
        CheckpointError: it is neither a file nor a shipped model's name.
    """
    try:
        return find_model(model)
    except FileNotFoundError as error:
        raise CheckpointError(f"{setting}: {error}" if setting else str(error)) from error


def read_card(path: Path | str) -> ModelCard:
    """The card of a checkpoint, without its weights.

    Raises:
        CheckpointError: the file is missing, no safetensors file, without a card, or newer than this version reads.
    """
    with _opened(path) as stored:
        return stored.card


def load_checkpoint(path: Path | str) -> tuple[MultiTaskNetwork, ModelCard]:
    """The network on the CPU, in float32 and evaluation mode, and its card.

    Whatever the file says, no more memory is taken than its weights need: the card's network is built without any first, and
    compared with what the file lists.

    Raises:
        CheckpointError: see ``read_card``; or the weights are not those that the card's network has, or can't be.
    """
    with _opened(path) as stored:
        expected = _checked_network(stored).state_dict()
        tensors = {name: tensor.to(expected[name].dtype) for name, tensor in stored.tensors().items()}
    for name, tensor in tensors.items():
        if problem := _spoilt(name, tensor, tensors):
            raise CheckpointError(f"{path}: weights '{name}' {problem}; the file is damaged, or the training that wrote it went wrong")
    network = build_network(stored.card)
    network.load_state_dict(tensors)
    return network.eval(), stored.card


class _Stored:
    """A checkpoint that is open: its card, and the list of its weights.

    Args:
        file: what safetensors opened; everything comes from there, so that a file that is replaced meanwhile changes nothing.
    """

    def __init__(self, path: Path, file: Any) -> None:
        self.path, self._file = path, file
        metadata = file.metadata() or {}
        if _CARD_KEY not in metadata:
            raise CheckpointError(f"{path} holds weights but no card of mtl_perception; expected a file written by save_checkpoint")
        self.card = _parse_card(path, metadata[_CARD_KEY])

    def listed(self) -> dict[str, tuple[str, list[int]]]:
        """By name of the weights, their dtype as safetensors calls it, and their shape."""
        slices = {name: self._file.get_slice(name) for name in self._file.keys()}  # noqa: SIM118 - it is no mapping
        return {name: (part.get_dtype(), list(part.get_shape())) for name, part in slices.items()}

    def tensors(self) -> dict[str, Tensor]:
        """The weights as they are stored."""
        return {name: self._file.get_tensor(name) for name in self._file.keys()}  # noqa: SIM118 - it is no mapping


@contextmanager
def _opened(path: Path | str) -> Iterator[_Stored]:
    path = Path(path)
    if path.suffix.lower() in _PICKLE_SUFFIXES:
        raise CheckpointError(
            f"{path} is a pickle by its name ({path.suffix}): reading one can run any code, so it is refused; "
            "expected a .safetensors file written by mtl_perception"
        )
    if path.suffix.lower() == ".pt2":
        raise CheckpointError(
            f"{path} is a program of torch.export by its name, for programs of your own; expected a .safetensors file, or an .onnx "
            "file written by 'mtl-perception export'"
        )
    try:
        _check_header(path)
        with safe_open(path, framework="pt") as file:
            yield _Stored(path, file)
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint {path} does not exist; give the path of a .safetensors file") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({shown(str(error))}); it may be truncated or, in a git checkout, a pointer "
            "to a file that was not fetched: copy it again"
        ) from error


def _check_header(path: Path) -> None:
    """Before safetensors reads it: a header of a hundred megabytes takes a gigabyte of memory.

    Raises:
        OSError: the file can't be a checkpoint.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError("it is a folder, a pipe or a device")
        length = int.from_bytes(file.read(8), "little")
    if about.st_size < 8 or length > about.st_size - 8:
        raise OSError(f"a header of {length} bytes in a file of {about.st_size}")
    if length > _LONGEST_HEADER:
        raise OSError(f"a header of {length} bytes, expected at most {_LONGEST_HEADER}")


def _parse_card(path: Path, text: str) -> ModelCard:
    try:
        content = from_json(text)
        version = content.get("format_version")
    except (ValueError, AttributeError) as error:  # too deep, too, which Python's own json can't take
        raise CheckpointError(f"{path}: the card is not a JSON object ({error}); the file is damaged, copy it again") from error
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise CheckpointError(f"{path}: the card's format_version is {shown(version)}, expected a whole number from 1")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {shown(version)}, this version of mtl_perception reads up to {FORMAT_VERSION}; upgrade the package"
        )
    try:
        return ModelCard.model_validate(content)
    except ValidationError as error:
        raise CheckpointError(f"{path}: the card is not valid: {problems(error, ModelCard, 'card')}") from None


def _checked_network(stored: _Stored) -> MultiTaskNetwork:
    """The card's network without memory behind its weights, once the file is seen to hold exactly those.

    Raises:
        CheckpointError: it doesn't.
    """
    path, listed = stored.path, stored.listed()
    try:
        network = weightless_network(stored.card)
    except (ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path}: the card describes no network that can be built ({shown(str(error))})") from error
    expected = network.state_dict()
    for name, tensor in expected.items():
        if name not in listed:
            raise CheckpointError(f"{path}: weights '{name}' are missing; the card describes another network than the file holds")
        dtype, shape = listed[name]
        if shape != list(tensor.shape):
            raise CheckpointError(
                f"{path}: weights '{name}' have shape {shown(shape)}, the card's network needs {list(tensor.shape)}; "
                "is the number of labels in the card the one it was trained with?"
            )
        known = _FLOATS if tensor.is_floating_point() else _INTEGERS
        if dtype not in known:
            raise CheckpointError(f"{path}: weights '{name}' are stored as {dtype}, expected one of {', '.join(sorted(known))}")
    extra = sorted(set(listed) - set(expected))
    if extra:
        raise CheckpointError(f"{path}: weights {shown(extra[0])} belong to nothing in the card's network")
    return network


def _spoilt(name: str, tensor: Tensor, tensors: Mapping[str, Tensor]) -> str | None:
    """Returns what is wrong with weights of the right shape; None if nothing is."""
    if tensor.is_floating_point() and not tensor.isfinite().all():
        return "hold values that are not finite"
    if name.endswith("running_var") and (tensor < 0).any():
        return "hold a negative variance"
    if name.endswith("relative_position_index"):  # of a Swin transformer: rows of the table beside it
        rows = len(tensors[name.removesuffix("index") + "bias_table"])
        if ((tensor < 0) | (tensor >= rows)).any():
            return f"refer to rows that the table beside them lacks, which has {rows}"
    return None
