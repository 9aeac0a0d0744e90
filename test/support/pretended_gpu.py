# SPDX-License-Identifier: Apache-2.0
"""A GPU that is not there: PyTorch's fake tensors, on which every operation says where its result would lie and nothing is
computed. Operations whose shape depends on values are refused, and so are operands that lie apart."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def _asks_for_a_driver() -> bool:
    """As PyTorch 2.7 for CUDA does for a slice; later ones pretend without."""
    try:
        with FakeTensorMode():
            torch.empty(2, device="cuda")[:1]
    except RuntimeError:
        return True
    return False


can_pretend = pytest.mark.skipif(_asks_for_a_driver(), reason="this PyTorch asks for a driver where a GPU is pretended")


class CopiesFromHost(TorchDispatchMode):
    """Collects the operations that take a tensor of the host and give one on the GPU: each waits for the GPU, and ends a
    recording with an error."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        before, after = ({t.device.type for t in tree_leaves(tree) if isinstance(t, Tensor)} for tree in ((args, kwargs), result))
        if "cpu" in before and "cuda" in after:
            self.found.append(str(func))
        return result


def pretend_on_gpu(network: nn.Module) -> None:
    """Put a fake tensor on a GPU in the place of each of the network's own."""
    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(pretended(parameter), requires_grad=False)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = pretended(buffer)


def pretended(tensor: Tensor) -> Tensor:
    """A fake tensor on a GPU that is laid out as ``tensor``."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cuda")
