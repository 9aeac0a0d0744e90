# SPDX-License-Identifier: Apache-2.0
"""Batch norm over the batches of all processes together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def synchronize_batch_norms(network: nn.Module, device: torch.device) -> nn.Module:
    """Let every batch norm of ``network`` take its statistics over all processes; parameters and buffers keep their names."""
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _GlobalBatchNorm2d
    return network


@contextmanager
def running_statistics_kept(*networks: nn.Module) -> Iterator[None]:
    """In the block, batch norms in training mode take the statistics of a batch as ever, and remember nothing of it."""
    norms = [m for network in networks for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    tracking = [norm for norm in norms if norm.track_running_stats]
    for norm in tracking:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True


class _SumOverProcesses(torch.autograd.Function):
    """Every process gets the sum, so every process's loss depends on each part of it: gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class _GlobalBatchNorm2d(nn.BatchNorm2d):
    """Does what torch.nn.SyncBatchNorm does, on CPUs, which that refuses. Batches have one size everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        assert self.num_batches_tracked is not None
        values = x.float()
        count = values.numel() // values.shape[1] * dist.get_world_size()
        mean = _SumOverProcesses.apply(values.sum((0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = _SumOverProcesses.apply(centred.square().sum((0, 2, 3))) / count
        if self.track_running_stats:
            with torch.no_grad():
                self.num_batches_tracked += 1
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)
