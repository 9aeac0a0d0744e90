# SPDX-License-Identifier: Apache-2.0
"""The cells of three pyramid levels, each of which may answer with a box."""

from __future__ import annotations

import torch
from torch import Tensor

LEVEL_STRIDES = {"p3": 8, "p4": 16, "p5": 32}


def cell_centres(feature: Tensor, stride: int) -> Tensor:
    """(h·w, 2) x, y of the cells' centres in pixels of the input, in row-major order."""
    height, width = feature.shape[-2:]
    y = (torch.arange(height, device=feature.device) + 0.5) * stride
    x = (torch.arange(width, device=feature.device) + 0.5) * stride
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)
