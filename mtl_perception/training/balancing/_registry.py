# SPDX-License-Identifier: Apache-2.0
"""The balancing methods this package knows, and how a configuration names one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Union

from pydantic import Field
from torch import Tensor, nn

from mtl_perception.core.settings_by_name import by_name
from mtl_perception.training.balancing import torchjd_methods as torchjd
from mtl_perception.training.balancing._base import Balancer, Problem, Settings
from mtl_perception.training.balancing.auto_lambda import AutoLambda
from mtl_perception.training.balancing.cr_mogm import CrMogm
from mtl_perception.training.balancing.dwa import Dwa
from mtl_perception.training.balancing.famo import Famo
from mtl_perception.training.balancing.fixed import Fixed
from mtl_perception.training.balancing.geometric import Geometric, Stch
from mtl_perception.training.balancing.gradnorm import GradNorm
from mtl_perception.training.balancing.mgda import Mgda
from mtl_perception.training.balancing.nash_mtl import NashMtl
from mtl_perception.training.balancing.rlw import Rlw
from mtl_perception.training.balancing.trimmed_mean import TrimmedMean
from mtl_perception.training.balancing.uncertainty import ImtlL, Uncertainty

_CLASSES: tuple[type[Settings], ...] = (
    *(Fixed, Uncertainty, ImtlL, Dwa, Rlw, Geometric, Stch, Famo, GradNorm, AutoLambda),
    *(Mgda, torchjd.PcGrad, torchjd.CaGrad, NashMtl, torchjd.ImtlG, torchjd.AlignedMtl, torchjd.UpGrad),
    *(torchjd.DualProj, torchjd.GradDrop, torchjd.GradVac, torchjd.ConFig, torchjd.FairGrad, torchjd.ExcessMtl, torchjd.Pcd),
    *(torchjd.Krum, TrimmedMean, torchjd.Mean, torchjd.Sum, torchjd.Random, CrMogm),
)

METHODS: dict[str, type[Settings]] = {settings.model_fields["method"].default: settings for settings in _CLASSES}
"""Settings of each method, by its name in a configuration."""


Balancing = Annotated[Union[_CLASSES], Field(discriminator="method"), by_name("balancing method", METHODS)]  # noqa: UP007 - a tuple of classes
"""Type of a configuration's section ``balancing``: a method's name, or a mapping with ``method`` and its settings."""


def build_balancer(
    settings: Settings,
    factors: Mapping[str, float],
    shared: Sequence[nn.Parameter],
    own: Mapping[str, Sequence[nn.Parameter]],
    seed: int = 0,
    reduce: Callable[[list[Tensor]], None] | None = None,
) -> Balancer:
    """A method at the start of a run; what the arguments mean stands at ``Problem``.

    Raises:
        ValueError: the method can't balance these tasks, or a factor is not positive.
    """
    for task, factor in factors.items():
        if not factor > 0:
            raise ValueError(f"task '{task}' has weight {factor}, expected more than 0; leave the task out instead")
    settings.check(factors)
    settings.check_network([list(factors)] if any(p.requires_grad for p in shared) else [])
    return settings.build(Problem(dict(factors), list(shared), {task: list(own[task]) for task in factors}, seed, reduce))
