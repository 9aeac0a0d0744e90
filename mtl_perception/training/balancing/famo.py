# SPDX-License-Identifier: Apache-2.0
"""FAMO: every loss falls at the same rate, without looking at gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from mtl_perception.training.balancing._base import Problem, Settings
from mtl_perception.training.balancing._weighting import LossWeighting, PerTask, require_positive

_SMALL = 1e-8


class Famo(Settings):
    """Weights c·zᵢ/Lᵢ, where z = softmax of learned logits that rise for tasks whose loss fell least in the last step
    (Liu et al., NeurIPS 2023). Costs one more forward pass a step."""

    method: Literal["famo"] = "famo"
    learning_rate: float = Field(0.025, gt=0)
    weight_decay: float = Field(1e-3, ge=0)

    def build(self, problem: Problem) -> FastAdaptive:
        return FastAdaptive(problem, self)


class FastAdaptive(LossWeighting):
    """The softmax and its gradient run over the tasks of the step; logits of the others stay."""

    wants_losses_after_step: ClassVar[bool] = True

    def __init__(self, problem: Problem, settings: Famo) -> None:
        super().__init__(problem)
        self.logits = PerTask(problem.factors, 0.0, settings.learning_rate, settings.weight_decay)
        self._before: dict[str, Tensor] = {}

    def weigh(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        require_positive("famo", values)
        shares = self._shares(values)
        rates = torch.stack([shares[task] / (values[task].cpu() + _SMALL) for task in values])
        return dict(zip(values, (rates / rates.sum()).unbind(), strict=True))

    def _shares(self, tasks: Mapping[str, Any]) -> dict[str, Tensor]:
        softmax = torch.softmax(torch.stack([self.logits[task] for task in tasks]), 0)
        return dict(zip(tasks, softmax.unbind(), strict=True))

    def learn(self, values: dict[str, Tensor]) -> None:
        self._before = {task: value.cpu() for task, value in values.items()}

    def after_step(self, losses: Mapping[str, Tensor]) -> None:
        present = [task for task in self._before if task in losses]
        if not present:
            return
        after = self._of_all_processes({task: losses[task] for task in present})
        fallen = {t: (self._before[t] + _SMALL).log() - (after[t].cpu().clamp(min=0) + _SMALL).log() for t in present}
        shares = self._shares(dict.fromkeys(present))
        mean = sum(shares[task] * fallen[task] for task in present)
        # Gradient of Σ zᵢ·fallenᵢ by the logits; descending it moves weight to the tasks that fell less.
        self.logits.step({task: shares[task] * (fallen[task] - mean) for task in present})
        self._before = {}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "logits": self.logits.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.logits.load_state_dict(state["logits"])
