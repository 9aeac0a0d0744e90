# SPDX-License-Identifier: Apache-2.0
"""Resampling that the tasks with one value per pixel share."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from mtl_perception.geometry import View


def enlarge(dense: Tensor, view: View) -> Tensor:
    """(1, C, H/4, W/4) over the network's input → (1, C, height, width) over the original image, padding cut off."""
    size = (view.height, view.width)
    if (view.content_width, view.content_height) != (view.input_width, view.input_height):
        # The content's edge need not fall between two cells of the coarse grid, so cut it at the input's resolution.
        dense = F.interpolate(dense, size=(view.input_height, view.input_width), mode="bilinear", align_corners=False)
        dense = dense[:, :, : view.content_height, : view.content_width]
    return F.interpolate(dense, size=size, mode="bilinear", align_corners=False)
