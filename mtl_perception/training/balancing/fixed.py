# SPDX-License-Identifier: Apache-2.0
"""A sum with constant weights."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from mtl_perception.training.balancing._base import Problem, Settings
from mtl_perception.training.balancing._weighting import LossWeighting


class Fixed(Settings):
    """The factors that stand beside the tasks and nothing else.

    Tuned, it does as well as elaborate optimisers (Kurin et al., In Defense of the Unitary Scalarization, NeurIPS 2022).
    """

    method: Literal["fixed"] = "fixed"
    needs_tasks: ClassVar[int] = 1
    needs_company: ClassVar[bool] = False

    def build(self, problem: Problem) -> FixedWeights:
        return FixedWeights(problem)


class FixedWeights(LossWeighting):
    """The factors are already in the losses, so every weight is 1."""

    def weigh(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        return {task: torch.ones(()) for task in values}
