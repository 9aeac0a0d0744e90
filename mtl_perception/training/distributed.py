# SPDX-License-Identifier: Apache-2.0
"""Several processes that train one network together, started by torchrun.

There is no DistributedDataParallel wrapper: each process's loss is its share of the global one (sums divided by counts
of all processes), so gradients need only be summed, and methods that look at each task's gradient can do that first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

BUCKET_BYTES = 32 * 2**20


class Ranks:
    """The processes that train together. Alone, every sum is what it was."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Sum each tensor over all processes, in place; all of one device, and the same in number and shape everywhere."""
        if self.size == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.flatten() for tensor in bucket])
            dist.all_reduce(flat)
            for tensor, part in zip(bucket, flat.split([t.numel() for t in bucket]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def sum_numbers(self, numbers: Sequence[float]) -> list[float]:
        """Sum numbers of the host over all processes, without waiting for the GPU."""
        if self.size == 1:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(values)
        return values.tolist()

    def wait(self) -> None:
        """Until all processes are here."""
        self.sum_numbers([0.0])


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    size = 0
    for tensor in tensors:
        size += tensor.numel() * tensor.element_size()
        # One flat tensor has one type.
        if bucket and (size > BUCKET_BYTES or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], tensor.numel() * tensor.element_size()
        bucket.append(tensor)
    if bucket:
        yield bucket


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """The processes that torchrun started, joined until the end of the block; alone without torchrun."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Ranks()
        return
    # Small numbers of the host travel by gloo, so that they need not wait for the GPU.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def local_device(name: str) -> str:
    """The device setting of this process: under torchrun each process has a GPU of its own."""
    if os.environ.get("WORLD_SIZE", "1") == "1" or name not in ("auto", "cuda"):
        return name
    return f"cuda:{os.environ['LOCAL_RANK']}" if torch.cuda.is_available() else name
