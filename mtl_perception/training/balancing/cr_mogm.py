# SPDX-License-Identifier: Apache-2.0
"""CR-MOGM: the weights of another gradient method, smoothed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import Field

from mtl_perception.training.balancing._base import Problem
from mtl_perception.training.balancing._gradients import GradientBalancer, GradientSettings
from mtl_perception.training.balancing._trunks import Trunk
from mtl_perception.training.balancing.mgda import Mgda
from mtl_perception.training.balancing.torchjd_methods import AlignedMtl, ImtlG, PcGrad

_SMOOTHED: dict[str, type[GradientSettings]] = {"mgda": Mgda, "pcgrad": PcGrad, "imtl_g": ImtlG, "aligned_mtl": AlignedMtl}


class CrMogm(GradientSettings):
    """Another method's weights, averaged over the steps (CR-MOGM: Zhou et al., NeurIPS 2022).

    Attributes:
        of: the method whose weights are averaged, with its default settings.
        alpha: share of the weights that were.
    """

    method: Literal["cr_mogm"] = "cr_mogm"
    of: Literal["mgda", "pcgrad", "imtl_g", "aligned_mtl"] = "mgda"
    alpha: float = Field(0.9, ge=0, le=1)

    def check(self, tasks: Collection[str]) -> None:
        super().check(tasks)
        _SMOOTHED[self.of]().check(tasks)

    def build(self, problem: Problem) -> SmoothedWeights:
        return SmoothedWeights(problem, _SMOOTHED[self.of]().build(problem), self.alpha)


class SmoothedWeights(GradientBalancer):
    """λ ← alpha λ + (1 − alpha) λ̂, one λ for each set of tasks that occurs together; the first is λ̂ itself."""

    def __init__(self, problem: Problem, inner: GradientBalancer, alpha: float) -> None:
        super().__init__(problem)
        self._inner, self._alpha = inner, alpha
        self._smoothed: dict[str, dict[str, float]] = {}

    def weigh(self, trunk: Trunk) -> dict[str, float]:
        new = self._inner.weigh(trunk)
        tasks = " ".join(sorted(new))
        before = self._smoothed.get(tasks, new)
        self._smoothed[tasks] = {task: self._alpha * before[task] + (1 - self._alpha) * weight for task, weight in new.items()}
        return dict(self._smoothed[tasks])

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "smoothed": {k: dict(v) for k, v in self._smoothed.items()}, "inner": self._inner.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._smoothed = {tasks: dict(weights) for tasks, weights in state["smoothed"].items()}
        self._inner.load_state_dict(state["inner"])
