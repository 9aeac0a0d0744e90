# SPDX-License-Identifier: Apache-2.0
"""Lets torchjd combine the gradients, whichever tasks a step has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchjd import Stateful
from torchjd.aggregation import Aggregator, WeightedAggregator

from mtl_perception.training.balancing._base import Problem
from mtl_perception.training.balancing._gradients import GradientBalancer, nearest_weights
from mtl_perception.training.balancing._trunks import Trunk
from mtl_perception.training.balancing.torchjd_methods import TorchjdSettings


class TorchjdBalancer(GradientBalancer):
    """One aggregator for each set of tasks that occurs together: some keep state, always for a fixed number of
    gradients."""

    def __init__(self, problem: Problem, settings: TorchjdSettings) -> None:
        super().__init__(problem)
        self._settings = settings
        self._aggregators: dict[tuple[str, ...], Aggregator] = {}
        self._lengths: dict[tuple[str, ...], int] = {}

    def weigh(self, trunk: Trunk) -> dict[str, float]:
        rows = trunk.rows
        if len(rows) == 1:
            return dict.fromkeys(rows, 1.0)
        order = tuple(self._settings.rows(rows))
        if not order:
            return dict.fromkeys(rows, 1 / len(rows))
        matrix = torch.stack([rows[task] for task in order])
        aggregator = self._aggregator(order, matrix.shape[1])
        with torch.no_grad():
            if isinstance(aggregator, WeightedAggregator):
                weights = aggregator.weighting(matrix).tolist()
            else:
                weights = nearest_weights(matrix, aggregator(matrix))
        return dict(zip(order, weights, strict=True))

    def combine(self, trunk: Trunk, schedule: Mapping[str, float]) -> tuple[Tensor, dict[str, float]]:
        order = tuple(self._settings.rows(trunk.rows))
        if not self._settings.elementwise or len(trunk.rows) == 1 or not order:
            return super().combine(trunk, schedule)
        # There are no weights that a schedule could change afterwards.
        matrix = torch.stack([schedule[task] * trunk.rows[task] for task in order])
        with torch.no_grad():
            combined = self._aggregator(order, matrix.shape[1])(matrix)
        return combined, dict(zip(order, nearest_weights(matrix, combined), strict=True))

    def _aggregator(self, order: tuple[str, ...], length: int) -> Aggregator:
        if order not in self._aggregators:
            self._aggregators[order] = self._settings.aggregator()
            self._lengths[order] = length
        return self._aggregators[order]

    def state_dict(self) -> dict[str, Any]:
        memories = {" ".join(order): _memory(aggregator) for order, aggregator in self._aggregators.items()}
        lengths = {" ".join(order): length for order, length in self._lengths.items()}
        return {**super().state_dict(), "memories": memories, "lengths": lengths}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        device = self._shared[0].device
        # Versions that combined all trunks as one did not say how long gradients are.
        lengths = state.get("lengths", dict.fromkeys(state["memories"], sum(p.numel() for p in self._shared)))
        for joined, memory in state["memories"].items():
            order = tuple(joined.split())
            aggregator = self._aggregator(order, lengths[joined])
            # Once on a made-up Jacobian, so that it sets up for this many gradients of this length.
            with torch.random.fork_rng():
                aggregator(torch.eye(len(order), lengths[joined], device=device))
            _remember(aggregator, memory, device)


def _plain(aggregator: Aggregator) -> Iterator[tuple[str, nn.Module, str, Any]]:
    """Plain values and tensors in the attributes of what the aggregator is made of: where, in what, name, value."""
    for place, module in aggregator.named_modules():
        if isinstance(module, Stateful):
            for name, value in (vars(module) | dict(module.named_buffers(recurse=False)) | _empty_buffers(module)).items():
                if value is None or isinstance(value, (Tensor, np.ndarray, bool, int, float)):
                    yield f"{place}:{name}", module, name, value  # pyright: ignore[reportReturnType]


def _empty_buffers(module: nn.Module) -> dict[str, None]:
    return {name: None for name, buffer in module._buffers.items() if buffer is None}


def _memory(aggregator: Aggregator) -> dict[str, Any]:
    """Returns the state of a stateful aggregator of torchjd. Its state_dict is no help: counters and NumPy arrays are plain
    attributes, and buffers that are empty at first can't be loaded."""
    memory: dict[str, Any] = {}
    for where, _, _, value in _plain(aggregator):
        memory[where] = torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value
        if isinstance(value, Tensor):
            memory[where] = value.detach().clone()
    return memory


def _remember(aggregator: Aggregator, memory: Mapping[str, Any], device: torch.device) -> None:
    present = {where: (module, name, value) for where, module, name, value in _plain(aggregator)}
    for where, value in memory.items():
        module, name, now = present[where]
        if isinstance(now, np.ndarray):
            value = value.numpy().copy()
        elif isinstance(value, Tensor):
            value = value.to(now.device if isinstance(now, Tensor) else device)
        setattr(module, name, value)
