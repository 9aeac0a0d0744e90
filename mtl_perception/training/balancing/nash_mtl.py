# SPDX-License-Identifier: Apache-2.0
"""Nash-MTL: the tasks bargain over the direction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from mtl_perception.training.balancing._base import Problem
from mtl_perception.training.balancing._gradients import GradientBalancer, GradientSettings
from mtl_perception.training.balancing._trunks import Trunk

_SINGULAR = 1e-6  # added to the diagonal of products of size 1: gradients that cancel would get endless weights
_STEPS, _PRECISE = 1000, 1e-9


class NashMtl(GradientSettings):
    """The direction on which the tasks agree as bargainers do: of the product of all tasks' progress the largest (Navon et
    al., ICML 2022).

    Attributes:
        max_norm: length to which the combined gradient is cut; 0 leaves it as it is.
        update_weights_every, optim_niter: of 0.1; without effect, and refused from the next release on.
    """

    method: Literal["nash_mtl"] = "nash_mtl"
    max_norm: float = Field(1.0, ge=0)
    update_weights_every: int | None = Field(None, exclude=True)
    optim_niter: int | None = Field(None, exclude=True)

    def remarks(self, shared_by: Sequence[Collection[str]], steps: int | None) -> list[str]:
        retired = [name for name in ("update_weights_every", "optim_niter") if getattr(self, name) is not None]
        found = [f"balancing: '{name}' is deprecated and has no effect: 'nash_mtl' is solved exactly; remove it" for name in retired]
        return found + super().remarks(shared_by, steps)

    def build(self, problem: Problem) -> NashBargaining:
        return NashBargaining(problem, self.max_norm)


class NashBargaining(GradientBalancer):
    """The tasks bargain for the common gradient (see the module)."""

    def __init__(self, problem: Problem, max_norm: float) -> None:
        super().__init__(problem)
        self._max_norm = max_norm

    def weigh(self, trunk: Trunk) -> dict[str, float]:
        if len(trunk.rows) == 1:
            return dict.fromkeys(trunk.rows, 1.0)
        matrix = torch.stack(list(trunk.rows.values())).double()
        products = (matrix @ matrix.T).cpu().numpy()
        weights = bargain(products / np.linalg.norm(products))
        norm = float(np.sqrt(max(weights @ products @ weights, 0.0)))
        if 0 < self._max_norm < norm:
            weights *= self._max_norm / norm
        return dict(zip(trunk.rows, weights.tolist(), strict=True))


def bargain(products: np.ndarray) -> np.ndarray:
    """Weights w > 0 with Gw = 1/w, Nash's solution, for the inner products G (T, T) of T gradients that are not zero.

    They minimise ½wᵀGw − Σ log w, which is convex and self-concordant: Newton's method with steps of 1/(1 + decrement) comes
    there from everywhere and never leaves w > 0 (Nesterov and Nemirovskii, 1994).
    """
    products = products + _SINGULAR * np.eye(len(products))
    weights = 1 / np.sqrt(products.diagonal())
    for _ in range(_STEPS):
        slope = products @ weights - 1 / weights
        step = np.linalg.solve(products + np.diag(weights**-2.0), slope)
        decrement = float(np.sqrt(max(slope @ step, 0.0)))
        if decrement < _PRECISE:
            break
        weights = weights - step / (1 + decrement)
    return weights
