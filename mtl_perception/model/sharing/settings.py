# SPDX-License-Identifier: Apache-2.0
"""Settings of sharing, in a configuration or a checkpoint's card."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mtl_perception.core.settings_by_name import by_name


class _Sharing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str

    def check(self, tasks: Collection[str]) -> None:
        """Raises:
        ValueError: these tasks can't be shared like this.
        """

    def shared_by(self, tasks: Sequence[str]) -> list[list[str]]:
        """The sets of ``tasks`` that train weights together."""
        return [list(tasks)]


class Hard(_Sharing):
    """One encoder and one neck under every head: the cheapest to run."""

    method: Literal["hard"] = "hard"


class _Apart(_Sharing):
    def check(self, tasks: Collection[str]) -> None:
        if len(tasks) < 2:
            named = ", ".join(tasks)
            raise ValueError(f"sharing '{self.method}' needs at least 2 tasks, got {len(tasks)} ({named}); choose 'hard'")


class Soft(_Apart):
    """An encoder and a neck for each task, held together by a penalty on how far their weights are apart
    (Duong et al., ACL 2015).

    Attributes:
        strength: λ of λ/2 Σ ‖θₜ − mean θ‖², which is added to the loss.
    """

    method: Literal["soft"] = "soft"
    strength: float = Field(0.01, ge=0)

    def shared_by(self, tasks: Sequence[str]) -> list[list[str]]:
        return []


class CrossStitch(_Apart):
    """An encoder and a neck for each task; after each stage every task goes on with a learned mixture of all
    (Misra et al., CVPR 2016).

    Attributes:
        own_share: of a task's own features in the mixture at the start of training; the others share the rest.
    """

    method: Literal["cross_stitch"] = "cross_stitch"
    own_share: float = Field(0.9, gt=0, le=1)


class Clustered(_Sharing):
    """An encoder and a neck for each group of tasks, such as those that 'mtl-perception report affinity' proposes.

    Attributes:
        groups: every task in exactly one of them.
        encoders: one for each group; the architecture's for all if None.
    """

    method: Literal["clustered"] = "clustered"
    groups: list[list[str]] = Field(min_length=1)
    encoders: list[str] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Clustered:
        named = [task for group in self.groups for task in group]
        twice = sorted({task for task in named if named.count(task) > 1})
        if twice:
            raise ValueError(f"groups name task '{twice[0]}' more than once")
        if not all(self.groups):
            raise ValueError("groups hold an empty group; leave it out")
        if self.encoders is not None and len(self.encoders) != len(self.groups):
            raise ValueError(f"encoders has {len(self.encoders)} names for {len(self.groups)} groups")
        joined = ["_".join(group) for group in self.groups]
        if len(set(joined)) < len(joined):
            raise ValueError("groups can't be told apart by the names of their tasks joined with _; rename a task")
        return self

    def check(self, tasks: Collection[str]) -> None:
        named = {task for group in self.groups for task in group}
        unknown, missing = sorted(named - set(tasks)), sorted(set(tasks) - named)
        if unknown:
            raise ValueError(f"groups name task '{unknown[0]}', which is not trained; expected exactly: {', '.join(tasks)}")
        if missing:
            raise ValueError(f"groups leave out task '{missing[0]}'; every task belongs to one group")

    def shared_by(self, tasks: Sequence[str]) -> list[list[str]]:
        return [group for group in self.groups if len(group) > 1]


class Attention(_Apart):
    """One encoder and one neck; each task attends to the encoder's levels by masks of its own (MTAN: Liu et al., CVPR 2019).

    Attributes:
        reduction: how much narrower the inside of an attention module is than the level.
    """

    method: Literal["mtan"] = "mtan"
    reduction: int = Field(4, ge=1, le=64)


class Mixture(_Apart):
    """Experts over one encoder and neck, which each task weighs for itself (MMoE: Ma et al., KDD 2018).

    Attributes:
        experts: how many; each is a separable convolution a level.
    """

    method: Literal["mmoe"] = "mmoe"
    experts: int = Field(3, ge=2, le=32)


class Progressive(_Apart):
    """Layers of shared experts and of the tasks' own (PLE: Tang et al., RecSys 2020).

    Attributes:
        experts: shared ones in each layer.
        own_experts: of each task in each layer.
        layers: one after the other; one alone is the paper's CGC.
    """

    method: Literal["ple"] = "ple"
    experts: int = Field(1, ge=1, le=16)
    own_experts: int = Field(1, ge=1, le=16)
    layers: int = Field(2, ge=1, le=8)


class Distillation(_Apart):
    """Features of each task over one encoder and neck, which tell each other what they found (PAD-Net: Xu et al., CVPR 2018)."""

    method: Literal["pad_net"] = "pad_net"


SHARINGS: dict[str, type[_Sharing]] = {
    settings.model_fields["method"].default: settings
    for settings in (Hard, Soft, CrossStitch, Clustered, Attention, Mixture, Progressive, Distillation)
}


Sharing = Annotated[
    Hard | Soft | CrossStitch | Clustered | Attention | Mixture | Progressive | Distillation,
    Field(discriminator="method"),
    by_name("sharing", SHARINGS),
]
"""Type of an architecture's ``sharing``: a name, or a mapping with ``method`` and its settings."""
