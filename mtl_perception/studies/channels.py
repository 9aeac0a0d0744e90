# SPDX-License-Identifier: Apache-2.0
"""Which channels of the shared features carry which task, by taking each away."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from mtl_perception.model.network import Features, MultiTaskNetwork

SPECIFIC = 0.8
"""A channel belongs to a task that has at least this share of what all tasks lose without it."""
_UNUSED = 0.05
"""A channel is unused if nobody loses this share of what it loses without its most important channel."""


@torch.no_grad()
def channel_importance(
    network: MultiTaskNetwork, images: Tensor, losses: Callable[[dict[str, dict[str, Tensor]]], dict[str, Tensor]]
) -> dict[str, list[float]]:
    """By task, for each channel of the neck's output: share by which its loss rises when the channel is set to its mean
    over the batch, on all levels.

    Args:
        images: (B, 3, H, W) uint8.
        losses: from the heads' raw tensors, by task.
    """
    copied = copy.deepcopy(network).float().eval()
    found: list[Features] = []
    hook = copied.neck.register_forward_hook(lambda *arguments: found.append(arguments[-1]))
    before = losses(copied(images))
    hook.remove()
    levels = found[0]
    importance: dict[str, list[float]] = {task: [] for task in before}
    for channel in range(next(iter(levels.values())).shape[1]):
        changed = {name: level.clone() for name, level in levels.items()}
        for level in changed.values():
            level[:, channel] = level[:, channel].mean()
        after = losses({task: head(copied.weighed(task, changed)) for task, head in copied.heads.items()})
        for task, values in importance.items():
            values.append(float(after[task] - before[task]) / abs(float(before[task])))
    return importance


def relative_importance(importance: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """By task, each channel's importance as a share of that of its most important one; 0 where it harms."""
    relative = {}
    for task, values in importance.items():
        largest = max(max(values), 1e-12)
        relative[task] = [max(value, 0.0) / largest for value in values]
    return relative


def specific_channels(importance: Mapping[str, list[float]]) -> dict[str, list[int]]:
    """Channels by task that they belong to, then "shared" and "unused".

    Importances are compared as shares of a task's most important channel, so that no task wins by its loss's scale.
    """
    relative = relative_importance(importance)
    groups: dict[str, list[int]] = {**{task: [] for task in importance}, "shared": [], "unused": []}
    for channel in range(len(next(iter(importance.values())))):
        shares = {task: values[channel] for task, values in relative.items()}
        best = max(shares, key=shares.__getitem__)
        if shares[best] < _UNUSED:
            groups["unused"].append(channel)
        elif shares[best] >= SPECIFIC * sum(shares.values()):
            groups[best].append(channel)
        else:
            groups["shared"].append(channel)
    return groups
