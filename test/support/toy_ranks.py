# SPDX-License-Identifier: Apache-2.0
"""Toys in processes of their own, which import this file by its name."""

from __future__ import annotations

import torch
import torch.distributed
from torch import Tensor
from toy import TASKS, Toy

from mtl_perception.training.balancing import METHODS


def rank_of_toys(rank: int, folder: str) -> None:
    """One of two processes, each with half of the samples; task "b" has labels on the second alone."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)

    def reduce(tensors: list[Tensor]) -> None:
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)

    found = {}
    rows = slice(0, 4) if rank == 0 else slice(4, 8)
    for method in METHODS:
        toy = Toy()
        balancer = toy.balancer(method, reduce)
        for tasks in (TASKS, ("a", "c"), TASKS):
            losses = toy.losses(tasks, rows, 8)
            if "b" in tasks:
                losses["b"] = 0 * losses["b"] if rank == 0 else 2 * losses["b"]
            if balancer.wants_validation:
                balancer.see_validation(toy.losses(tasks, rows, 8))
            balancer.backward(losses, regulariser=toy.shared[0].sum())
            gradients = toy.gradients()
        found[method] = gradients
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()
