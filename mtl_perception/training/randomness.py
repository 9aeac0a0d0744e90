# SPDX-License-Identifier: Apache-2.0
"""Where torch's random numbers stand, so that some can be drawn again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor


class RandomState(NamedTuple):
    """Of the host, and of the GPU that is trained on, if any."""

    host: Tensor
    device: torch.device
    on_device: Tensor | None


def random_state(device: torch.device) -> RandomState:
    """Where the generators stand now."""
    return RandomState(torch.get_rng_state(), device, torch.cuda.get_rng_state(device) if device.type == "cuda" else None)


@contextmanager
def drawing_again(state: RandomState) -> Iterator[None]:
    """In the block the numbers come again that came after ``state``; after it, those that would have come without it."""
    with torch.random.fork_rng(devices=[] if state.on_device is None else [state.device]):
        torch.set_rng_state(state.host)
        if state.on_device is not None:
            torch.cuda.set_rng_state(state.on_device, state.device)
        yield
