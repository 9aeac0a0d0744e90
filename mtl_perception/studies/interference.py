# SPDX-License-Identifier: Apache-2.0
"""How the gradients of a network's tasks get on with each other, measured at one moment of training."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mtl_perception.model.network import MultiTaskNetwork

Losses = Callable[[MultiTaskNetwork], dict[str, Tensor]]
"""By task, the loss of the batches that are measured on."""

STEP_SHARE = 0.01
"""A look ahead goes as far as takes this share off the task's own loss, to first order."""


@dataclass(frozen=True)
class Interference:
    """
    Attributes:
        step: of the training.
        cosine: "TASK, TASK" → layer → cosine of the two gradients there.
        conflict: "TASK, TASK" → share of the shared weight tensors where the gradients point against each other.
        affinity: task i → task j → by how much j's loss falls, as a share of itself, when the shared parameters take a
            step along i's gradient that takes ``STEP_SHARE`` off i's loss (to first order).
        norms: task → length of its gradient.
    """

    step: int
    cosine: dict[str, dict[str, float]]
    conflict: dict[str, float]
    affinity: dict[str, dict[str, float]]
    norms: dict[str, float]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(network: MultiTaskNetwork, losses: Losses, step: int) -> Interference:
    """Measure on a copy, so that neither parameters nor running statistics of ``network`` change.

    The look ahead is the inter-task affinity of Fifty et al., Efficiently Identifying Task Groupings for Multi-Task
    Learning, NeurIPS 2021, with a step of one size for all tasks instead of the optimiser's.
    """
    copied = copy.deepcopy(network).float()
    names = layer_names(copied)
    before = losses(copied)
    parameters = [p for name in names for p in names[name]]
    gradients = {}
    for i, (task, loss) in enumerate(before.items()):
        found = torch.autograd.grad(loss, parameters, retain_graph=i + 1 < len(before), allow_unused=True)
        gradients[task] = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]
    values = {task: float(loss.detach()) for task, loss in before.items()}
    pairs = list(itertools.combinations(before, 2))
    return Interference(
        step=step,
        cosine={_pair(a, b): _cosines(names, gradients[a], gradients[b]) for a, b in pairs},
        conflict={_pair(a, b): _conflict(parameters, gradients[a], gradients[b]) for a, b in pairs},
        affinity={task: _look_ahead(copied, parameters, gradients[task], values[task], values, losses) for task in before},
        norms={task: float(_flat(gradient).norm()) for task, gradient in gradients.items()},
    )


def layer_names(network: MultiTaskNetwork) -> dict[str, list[nn.Parameter]]:
    """The shared parameters that are trained, by part of the network, from the image to the heads.

    Raises:
        ValueError: the network shares no encoder.
    """
    if not hasattr(network, "encoder"):
        raise ValueError(
            f"sharing '{network.architecture.sharing.method}' has no encoder that all tasks share; measure with 'hard' sharing"
        )
    parts = {f"stage {i + 1}": stage for i, stage in enumerate(network.encoder.stages)} | {"neck": network.neck}
    trained = {name: [p for p in part.parameters() if p.requires_grad] for name, part in parts.items()}
    return {name: parameters for name, parameters in trained.items() if parameters}


def _pair(a: str, b: str) -> str:
    return f"{a}, {b}"


def _flat(gradients: Sequence[Tensor]) -> Tensor:
    return torch.cat([gradient.reshape(-1) for gradient in gradients])


def _cosine(a: Tensor, b: Tensor) -> float:
    length = float(a.norm() * b.norm())
    return float(a @ b) / length if length > 0 else float("nan")


def _cosines(names: Mapping[str, list[nn.Parameter]], a: list[Tensor], b: list[Tensor]) -> dict[str, float]:
    found, at = {}, 0
    for name, parameters in names.items():
        part = slice(at, at + len(parameters))
        found[name] = _cosine(_flat(a[part]), _flat(b[part]))
        at += len(parameters)
    return {**found, "all": _cosine(_flat(a), _flat(b))}


def _conflict(parameters: list[nn.Parameter], a: list[Tensor], b: list[Tensor]) -> float:
    """Over weight tensors that both gradients reach."""
    products = [float((x * y).sum()) for p, x, y in zip(parameters, a, b, strict=True) if p.ndim > 1 and x.any() and y.any()]
    return sum(product < 0 for product in products) / len(products) if products else float("nan")


@torch.no_grad()
def _look_ahead(
    network: MultiTaskNetwork,
    parameters: list[nn.Parameter],
    gradient: list[Tensor],
    own: float,
    before: Mapping[str, float],
    losses: Losses,
) -> dict[str, float]:
    square = float(_flat(gradient).square().sum())
    if square == 0:
        return dict.fromkeys(before, 0.0)
    length = STEP_SHARE * abs(own) / square
    kept = [p.clone() for p in parameters]
    for parameter, direction in zip(parameters, gradient, strict=True):
        parameter -= length * direction
    after = losses(network)
    for parameter, value in zip(parameters, kept, strict=True):
        parameter.copy_(value)
    return {task: 1 - float(after[task]) / before[task] for task in before}
