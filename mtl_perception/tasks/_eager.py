# SPDX-License-Identifier: Apache-2.0
"""Where decoding may look at values."""

from __future__ import annotations

import torch
from torch import Tensor


def is_eager_on_cpu(tensor: Tensor) -> bool:
    """Whether a quicker way to the same answer may depend on values: not in a graph that is traced, and not on a GPU,
    which the host would have to wait for."""
    return tensor.device.type == "cpu" and not torch.compiler.is_compiling() and not torch.onnx.is_in_onnx_export()
