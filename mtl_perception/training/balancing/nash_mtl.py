# SPDX-License-Identifier: Apache-2.0
"""Nash-MTL: the tasks bargain over the direction."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from mtl_perception.training.balancing._base import Problem
from mtl_perception.training.balancing._gradients import GradientBalancer, GradientSettings
from mtl_perception.training.balancing._trunks import Trunk

_SINGULAR = 1e-6  # added to the diagonal of products of size 1: gradients that cancel would get endless weights
_FAR_APART = 1e-7
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
        self._has_said = False

    def weigh(self, trunk: Trunk) -> dict[str, float]:
        if len(trunk.rows) == 1:
            return dict.fromkeys(trunk.rows, 1.0)
        matrix = torch.stack(list(trunk.rows.values())).double()
        products = (matrix @ matrix.T).cpu().numpy()
        weights = self._bargained(list(trunk.rows), products)
        norm = float(np.sqrt(max(weights @ products @ weights, 0.0)))
        if 0 < self._max_norm < norm:
            weights *= self._max_norm / norm
        return dict(zip(trunk.rows, weights.tolist(), strict=True))

    def _bargained(self, tasks: Sequence[str], products: np.ndarray) -> np.ndarray:
        """Solved for gradients of length 1, which Nash's solution allows: it goes with the lengths, and without them only gradients that
        cancel or are nearly the same leave eigenvalues far apart. There the solution hangs on the last digits."""
        lengths = np.sqrt(products.diagonal())
        cosines = products / np.outer(lengths, lengths)
        scale = np.sqrt(np.linalg.norm(products) / np.linalg.norm(cosines))
        smallest, *_, largest = np.linalg.eigvalsh(cosines)
        if smallest >= _FAR_APART * largest:
            return scale * bargain(cosines / np.linalg.norm(cosines)) / lengths
        if not self._has_said:
            warnings.warn(
                f"nash_mtl: the gradients of {', '.join(tasks)} cancel or are nearly the same (eigenvalues {smallest:.1e} and {largest:.1e} of their "
                "cosines), so they can't bargain; in such steps each counts with the same length. This is said once",
                RuntimeWarning,
                stacklevel=2,
            )
            self._has_said = True
        return scale / lengths


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
