# SPDX-License-Identifier: Apache-2.0
"""One network: encoder → neck → {task: head}. Nothing else decides the forward pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from torch import Tensor, nn

from mtl_perception.core.validation_text import did_you_mean, shown
from mtl_perception.model.encoders import ENCODERS, TIMM, Encoder, build_encoder, is_known_encoder
from mtl_perception.model.necks import NECKS, Neck, build_neck
from mtl_perception.model.sharing import Hard, Sharing
from mtl_perception.tasks import HeadStyle, Task

Features = dict[str, Tensor]
"""A pyramid: {"p2" … "p5"}, each (B, channels, H/stride, W/stride)."""

AxisNames = Sequence[Sequence[str]]
"""Of the first axes of a tensor, for each the names of what its entries stand for."""

BRANCH_PREFIX = "branch_"
"""Before the names of a branch's levels, where a head sees them beside the others."""

MAX_STRIDE = 32
"""Height and width of an input must be multiples of this."""


class Branch(BaseModel):
    """Classes that a path of their own finds beside a network that stays as it is, to the bit.

    Attributes:
        task: whose classes they are.
        labels: the last of that task's, in their order.
        stages: of the encoder's four, so many are shared. The others, and all that is behind them, the branch has for itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    labels: list[str] = Field(min_length=1)
    stages: int = Field(ge=1, le=4)

    def check(self, labels: Mapping[str, Sequence[str]]) -> None:
        """Raises:
        ValueError: these tasks, with their class names, can't have it.
        """
        known = list(labels.get(self.task, []))
        if self.labels == known or known[-len(self.labels) :] != self.labels:
            raise ValueError(
                f"the branch has the classes {shown(', '.join(self.labels))} of {shown(self.task)}, expected the last ones of it, and not all"
            )


class Architecture(BaseModel):
    """Which encoder and neck a network is made of, and how much of them the tasks share.

    Attributes:
        heads: ``slim`` ones cost less than a third of what is under them: the dense tasks share a stem at stride 4, the two
            towers of detection one convolution, and the rest is separable. ``yolox`` are as slim, with boxes found as YOLOX finds
            them. ``wide`` ones are of full convolutions.
        channel_gains: by task, a factor of each channel of the neck's output as its head sees it; tasks that are not named see it as it is.
            A configuration's ``channel_control`` makes it.
        branch: what was grafted on (training/grafting.py); None: nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str
    neck: str = "pan"
    neck_channels: int = Field(gt=1, le=1024)
    heads: HeadStyle = "wide"
    sharing: Sharing = Hard()
    channel_gains: dict[str, list[FiniteFloat]] = Field(default_factory=dict)
    branch: Branch | None = None

    @field_validator("encoder")
    @classmethod
    def _known_encoder(cls, name: str) -> str:
        if not is_known_encoder(name):
            raise ValueError(
                f"encoder {shown(name)} is not known; expected {TIMM}NAME or one of: {', '.join(ENCODERS)}{did_you_mean(name, ENCODERS)}"
            )
        return name

    @field_validator("neck")
    @classmethod
    def _known_neck(cls, name: str) -> str:
        if name not in NECKS:
            raise ValueError(f"neck {shown(name)} is not known; expected one of: {', '.join(NECKS)}{did_you_mean(name, NECKS)}")
        return name

    @model_validator(mode="after")
    def _one_gain_a_channel(self) -> Architecture:
        for task, gains in self.channel_gains.items():
            if len(gains) != self.neck_channels:
                raise ValueError(
                    f"channel_gains has {len(gains)} values for {task}, expected one for each of {self.neck_channels} channels"
                )
        return self

    @model_validator(mode="after")
    def _branch_of_one_trunk(self) -> Architecture:
        if self.branch is not None and self.sharing != Hard():
            raise ValueError(
                f"a branch leaves a network whose tasks share one encoder and neck: sharing 'hard', got '{self.sharing.method}'"
            )
        return self

    def every_part(self) -> dict[str, Any]:
        """Each field by its name, also those that ``model_dump`` leaves out because they go without saying."""
        return self.model_dump() | {"heads": self.heads, "sharing": self.sharing.model_dump(), "channel_gains": self.channel_gains}

    @model_serializer(mode="wrap")
    def _without_what_goes_without_saying(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Versions from before there was a choice still read cards that don't make one."""
        content = handler(self)
        if self.sharing == Hard():
            del content["sharing"]
        if self.heads == "wide":
            del content["heads"]
        if not self.channel_gains:
            del content["channel_gains"]
        if self.branch is None:
            del content["branch"]
        return content


VARIANTS: dict[str, Architecture] = {
    "lite": Architecture(encoder="yolox_nano", neck="dense_fpn", neck_channels=64, heads="yolox"),
    "base": Architecture(encoder="yolox_nano+efficientnet_lite0", neck="dense_fpn", neck_channels=64, heads="yolox"),
    "large": Architecture(encoder="resnet50", neck_channels=96),
}


def build_head(architecture: Architecture, name: str, task: Task) -> nn.Module:
    """A new head of the task that is called ``name``.

    Raises:
        ValueError: the architecture has a branch for a task that can't have one.
    """
    channels, style, branch = architecture.neck_channels, architecture.heads, architecture.branch
    if branch is not None and branch.task == name:
        return task.build_branched_head(channels, style, len(branch.labels), BRANCH_PREFIX)
    return task.build_head(channels, style)


class MultiTaskNetwork(nn.Module):
    """Hard parameter sharing: one encoder and one neck under a head for each task.

    The other kinds of sharing are subclasses in ``sharing/`` that replace what is under the heads.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: Architecture, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        self.architecture = architecture
        self.tasks = dict(tasks)
        self.build_trunk()
        self.heads = nn.ModuleDict({name: build_head(architecture, name, task) for name, task in tasks.items()})
        normalizations = {module.normalization for module in self.modules() if isinstance(module, Encoder)}
        if len(normalizations) > 1:
            raise ValueError("encoders that expect differently normalised images can't share one input; choose others")
        for task, gains in architecture.channel_gains.items():
            if task in self.heads:
                self.register_buffer(f"gains_{task}", torch.tensor(gains).view(1, -1, 1, 1), persistent=False)
        (normalization,) = normalizations
        self.register_buffer("mean", torch.tensor(normalization.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(normalization.std).view(1, 3, 1, 1), persistent=False)

    def build_trunk(self) -> None:
        """Make what is under the heads."""
        self.encoder = build_encoder(self.architecture.encoder)
        self.neck = self.build_neck(self.encoder)

    def build_neck(self, encoder: Encoder) -> Neck:
        """A neck over ``encoder``, as the architecture says."""
        architecture = self.architecture
        return build_neck(architecture.neck, encoder.channels, architecture.neck_channels, stem=architecture.heads != "wide")

    def forward(self, images: Tensor, tasks: Collection[str] | None = None) -> dict[str, dict[str, Tensor]]:
        """Run the shared part once and the heads of ``tasks``.

        Args:
            images: (B, 3, H, W) RGB in 0…255, any dtype; H and W multiples of 32.
            tasks: names of the heads to run; None for all.

        Returns:
            For each task the raw tensors of its head; each head's ``forward`` says their keys and shapes.
        """
        pyramids = self.pyramids(images, [name for name in self.heads if tasks is None or name in tasks])
        return {name: self.heads[name](features) for name, features in pyramids.items()}

    def pyramids(self, images: Tensor, tasks: Collection[str]) -> dict[str, Features]:
        """Returns the features that the heads of ``tasks`` see, in the order of the heads; ``images`` as for ``forward``."""
        # Normalised in float32 for exactness, then in the dtype of the weights, so that a half-precision network
        # needs no autocast.
        x = ((images.float() - self.mean.float()) / self.std.float()).to(self.mean.dtype)
        found = self.features(x.contiguous(memory_format=torch.channels_last), tasks)
        return {name: self.weighed(name, found[name]) for name in self.heads if name in tasks}

    def weighed(self, task: str, features: Features) -> Features:
        """The pyramid as the head of ``task`` sees it: with the architecture's gains, if it has any for that task."""
        if task not in self.architecture.channel_gains:
            return features
        gains = getattr(self, f"gains_{task}")
        return {name: level * gains.to(level.dtype) for name, level in features.items()}

    def features(self, images: Tensor, tasks: Collection[str]) -> dict[str, Features]:
        """For each of ``tasks`` the pyramid that its head sees. ``images`` (B, 3, H, W) are normalised."""
        shared = self.neck(self.encoder(images))
        return dict.fromkeys(tasks, shared)  # pyright: ignore[reportReturnType]

    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters that more than one task may train: encoder and neck."""
        return [*self.encoder.parameters(), *self.neck.parameters()]

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """Parameters that ``task`` alone trains: its head."""
        return list(self.heads[task].parameters())

    def named_axes(self) -> dict[str, AxisNames]:
        """Of those tensors of ``state_dict`` whose first axes stand for classes or tasks, the names along these axes."""
        names: dict[str, AxisNames] = {}
        for name, task in self.tasks.items():
            layers = tuple(f"{layer}." for layer in task.class_layers)
            names |= {f"heads.{name}.{key}": (task.labels,) for key in self.heads[name].state_dict() if key.startswith(layers)}
        return names

    def regulariser(self) -> Tensor | None:
        """Returns the term that this kind of sharing adds to the loss in training."""
        return None
