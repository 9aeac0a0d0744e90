# SPDX-License-Identifier: Apache-2.0
"""Teaching a trained network more while it keeps what it knows: which parts move, how fast, and which classes stay."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from mtl_perception.core.validation_text import did_you_mean, shown
from mtl_perception.core.yaml_file import ConfigError
from mtl_perception.model.checkpoint import CheckpointError, ModelCard, TaskCard, find_checkpoint, read_card
from mtl_perception.model.encoders import LEVELS, CompositeEncoder, Encoder
from mtl_perception.model.necks import Neck
from mtl_perception.model.network import MultiTaskNetwork
from mtl_perception.training.start import refuse_branch

SHARED_PARTS = ("encoder", "lead", "neck", "lateral")
"""Those under all heads. ``lead`` is the first of two encoders that stand side by side; ``lateral`` is of the neck: what brings the encoder's
levels at strides 8 to 32 to its channels."""

_PART_OF = {"lead": "encoder", "lateral": "neck"}

CLASSES = "classes"
"""A part that only has a rate: the last layers of all heads, which have a row for each class. Rows of new classes have far to go, where
the rest of a trained network should move little."""

Rate = Annotated[float, Field(ge=0, le=10)]
Weight = Annotated[float, Field(ge=0)]


class Finetuning(BaseModel):
    """Section ``finetuning`` of a training run that has a ``start_from``. The network keeps every task and class of the start, also
    those that the data know nothing of, and the start as a frozen teacher says what they should answer.

    Attributes:
        replay: those of ``data`` that show what the start has learned from; there the teacher speaks of labelled pictures too.
        teacher: a checkpoint, or a shipped model's name; None: ``start_from``. It knows some of the tasks, and of these no class more.
        distillation: weight of the teacher's word beside that of the labels; by task: those that are named are taught. 0: no teacher.
        freeze: parts that stay as they are: ``encoder``, ``lead``, ``neck``, ``lateral`` and heads by their task. Of a ``dense_fpn`` boxes see
            the ``lateral`` part alone: with ``encoder``, ``lateral`` and ``detection`` frozen they stay as they are, bit by bit, while
            masks and depth learn.
        rates: factors of the learning rate, by part; 0 freezes. ``lateral`` goes by ``neck`` and ``lead`` by ``encoder`` if they are not
            named. That of ``classes``, the layers with a row for each class, is on top of their head's.
        frozen_batch_norms: keep the statistics of all batch norms, which a few pictures would spoil.
        patience: end after so many validations in a row that are not better; None: never before the schedule does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    replay: list[Path] = Field(default_factory=list)
    teacher: Path | None = None
    distillation: Weight | dict[str, Weight] = 1.0
    freeze: list[str] = Field(default_factory=list)
    rates: dict[str, Rate] = Field(default_factory=dict)
    frozen_batch_norms: bool = True
    patience: int | None = Field(None, gt=0)

    def check(self, tasks: Collection[str]) -> None:
        """Raises:
        ValueError: a part is named that a network of ``tasks`` does not have, or none is left to be trained.
        """
        parts = [*SHARED_PARTS, *tasks]
        for named, known in (self.freeze, parts), (self.rates, [*parts, CLASSES]):
            for name in named:
                if name not in known:
                    raise ValueError(
                        f"finetuning: part {shown(name)} is not known; expected some of: {', '.join(known)}{did_you_mean(name, known)}"
                    )
        if isinstance(self.distillation, dict) and (unknown := [task for task in self.distillation if task not in tasks]):
            raise ValueError(
                f"finetuning: distillation names {shown(unknown[0])}, which is not trained; expected some of: {', '.join(tasks)}"
                f"{did_you_mean(unknown[0], tasks)}"
            )
        if all(self.is_frozen(part) for part in parts):
            raise ValueError("finetuning: every part of the network is frozen, so nothing would be learned; leave one out of 'freeze'")

    def is_frozen(self, part: str) -> bool:
        return part in self.freeze or self.rates.get(part) == 0 or (part in _PART_OF and self.is_frozen(_PART_OF[part]))

    def taught(self, tasks: Collection[str]) -> dict[str, float]:
        """Of ``tasks`` those that the teacher speaks of, with its weight."""
        weights = self.distillation if isinstance(self.distillation, dict) else dict.fromkeys(tasks, self.distillation)
        return {task: weight for task, weight in weights.items() if weight}

    def rate_of(self, part: str) -> float:
        return self.rates.get(part, self.rate_of(_PART_OF[part]) if part in _PART_OF else 1.0)


def start_card(start: Path) -> ModelCard:
    """The network that a run begins with.

    Raises:
        CheckpointError: there is none, it has a branch, or a task of it has a name of its own, which no run can train.
    """
    card = read_card(find_checkpoint(start, "start_from"))
    refuse_branch(start, card)
    for name, task in card.tasks.items():
        if name != task.kind:
            raise CheckpointError(
                f"start_from: {start} has a task '{name}' of kind {task.kind}; expected tasks that are called as their kind"
            )
    return card


def kept_labels(card: ModelCard) -> dict[str, list[str]]:
    """By task, the class names of a network; an empty list for a task without classes."""
    return {name: list(task.settings.get("labels", [])) for name, task in card.tasks.items()}


def grown_settings(task: TaskCard, now: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a task of the start, with the class names of ``now`` and the weights that ``now`` gives to new ones."""
    settings = {**task.settings, **({"labels": now["labels"]} if "labels" in now else {})}
    before = task.settings.get("class_weights")
    if before is not None:
        weights = dict(zip(now["labels"], now.get("class_weights") or [1.0] * len(now["labels"]), strict=True))
        weights |= dict(zip(task.settings["labels"], before, strict=True))
        settings["class_weights"] = [weights[name] for name in now["labels"]]
    return settings


def hold(network: MultiTaskNetwork, settings: Finetuning, labelled: Collection[str]) -> list[str]:
    """Freeze what ``settings`` says, and the heads that then have nothing to learn: under a frozen trunk, those without labels.

    Returns:
        What a user should know of it.

    Raises:
        ConfigError: a part is named that this network does not have.
    """
    if settings.frozen_batch_norms:
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
    if "lead" in (*settings.freeze, *settings.rates) and not any(_modules_of("lead", network)):
        raise ConfigError(f"finetuning: 'lead' is the first of two encoders, and {network.architecture.encoder} is one; name 'encoder'")
    for part in SHARED_PARTS:
        if settings.is_frozen(part):
            for module in _modules_of(part, network):
                module.requires_grad_(False).eval()
    trunk_moves = any(p.requires_grad for p in network.shared_parameters())
    idle = [task for task in network.tasks if settings.is_frozen(task) or not (trunk_moves or task in labelled)]
    for task in idle:
        network.heads[task].requires_grad_(False).eval()
    parts = [part for part in SHARED_PARTS if settings.is_frozen(part) and not (part in _PART_OF and settings.is_frozen(_PART_OF[part]))]
    frozen = [*parts, *(f"the head of {task}" for task in idle)]
    return [f"frozen: {', '.join(frozen)}"] if frozen else []


def part_rates(network: nn.Module, settings: Finetuning) -> dict[nn.Parameter, float]:
    """By parameter, the factor of its learning rate, where it is not 1."""
    rates: dict[nn.Parameter, float] = {}
    with_classes: set[nn.Parameter] = set()
    for part in SHARED_PARTS:
        for module in _modules_of(part, network):
            rates |= dict.fromkeys(module.parameters(), settings.rate_of(part))
    for name, module in network.named_modules():
        above, _, task = name.rpartition(".")
        if above.rpartition(".")[2] == "heads":
            rates |= dict.fromkeys(module.parameters(), settings.rate_of(task))
        if isinstance(module, MultiTaskNetwork):
            by_class = {key for key in module.named_axes() if key.startswith("heads.")}
            with_classes.update(parameter for key, parameter in module.named_parameters() if key in by_class)
    for parameter in with_classes:
        rates[parameter] = rates.get(parameter, 1.0) * settings.rate_of(CLASSES)
    return rates


def _modules_of(part: str, network: nn.Module) -> Iterator[nn.Module]:
    for module in network.modules():
        if part == "encoder" and isinstance(module, Encoder):
            yield module
        elif part == "lead" and isinstance(module, CompositeEncoder):
            yield from module.lead()
        elif isinstance(module, Neck):
            wide = [module.lateral[level] for level in LEVELS[1:]]
            yield from {"neck": [module], "lateral": [*wide, module.context]}.get(part, [])
