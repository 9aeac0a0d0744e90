# SPDX-License-Identifier: Apache-2.0
"""Which shared parameters are combined together, and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Trunk:
    """Shared parameters, and what some tasks want of them.

    Attributes:
        parameters: their numbers among all that are shared.
        rows: by task (N,) the gradient of its loss, over all processes and batches of the step.
        values: by task its mean loss.
    """

    parameters: list[int]
    rows: dict[str, Tensor]
    values: dict[str, Tensor]

    @property
    def is_finite(self) -> bool:
        return all(bool(torch.isfinite(row).all()) for row in self.rows.values())

    def divided(self, factor: float) -> Trunk:
        """The same with rows that are ``factor`` times smaller."""
        if factor == 1.0:
            return self
        return Trunk(self.parameters, {task: row / factor for task, row in self.rows.items()}, self.values)

    def without_still_tasks(self) -> Trunk | None:
        """The same without tasks whose gradient is zero; None if that is all of them."""
        moving = {task: row for task, row in self.rows.items() if bool(row.any())}
        return Trunk(self.parameters, moving, {task: self.values[task] for task in moving}) if moving else None


def connected(reached: Mapping[str, AbstractSet[int]]) -> list[tuple[list[int], list[str]]]:
    """Parameters and tasks that hang together: a task belongs to all that it reaches, and to whoever reaches any of it.

    Args:
        reached: by task, the numbers of the parameters that its loss depends on.
    """
    parts: list[tuple[set[int], list[str]]] = []
    for task, parameters in reached.items():
        if not parameters:
            continue
        touching = [part for part in parts if part[0] & parameters]
        parts = [part for part in parts if not part[0] & parameters]
        parts.append((set(parameters).union(*(p for p, _ in touching)), [*(t for _, tasks in touching for t in tasks), task]))
    return sorted((sorted(parameters), [task for task in reached if task in tasks]) for parameters, tasks in parts)
