# SPDX-License-Identifier: Apache-2.0
"""Which class wins each pixel, from probabilities at a quarter of the resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mtl_perception.geometry import View
from mtl_perception.tasks._dense import decision_size, enlarge
from mtl_perception.tasks._eager import is_eager_on_cpu

_FINER = 4
"""Pixels a cell, along each axis, that the quick way is made for: the stride of the dense heads."""


def winners(probabilities: Tensor, view: View) -> tuple[Tensor, Tensor]:
    """The class with the highest probability, interpolated linearly, and that probability.

    Args:
        probabilities: (B, C, H/4, W/4) over the network's input.

    Returns:
        Class ids and probabilities times 255, rounded; (B, h, w) uint8 each, at ``decision_size``.
    """
    width, height = decision_size(view)
    if is_eager_on_cpu(probabilities):
        cells = probabilities[:, :, : height // _FINER, : width // _FINER]
        if (width, height) == (view.content_width, view.content_height) == tuple(_FINER * n for n in cells.shape[:1:-1]):
            decided = [_winners_by_quads(image) for image in cells]
            return torch.stack([ids for ids, _ in decided]), torch.stack([values for _, values in decided])
    values, ids = enlarge(probabilities, view, width, height).max(1)
    return ids.to(torch.uint8), (values * 255).round().to(torch.uint8)


def _winners_by_quads(probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """The same of one image, (C, h, w) → (4 h, 4 w) twice, about three times faster on a CPU (12 against 35 ms for 17 classes at
    640×480).

    Between four cells that agree on a class, that class wins everywhere: each of the others is weaker at all four, so
    any weighted mean of it is weaker too. Only what lies between cells that disagree, mostly the outlines of things, is
    interpolated for all classes.
    """
    height, width = probabilities.shape[1:]
    padded = F.pad(probabilities[None], (1, 1, 1, 1), mode="replicate")[0]
    best, ids = padded.max(0)
    ids = ids.to(torch.uint8)
    first = ids[:-1, :-1]
    disagree = (first != ids[1:, :-1]) | (first != ids[:-1, 1:]) | (first != ids[1:, 1:])
    rows, columns = disagree.nonzero(as_tuple=True)

    # Cell by cell, so that the probabilities of a corner lie side by side.
    cells = padded.flatten(1).t().contiguous()
    place = rows * (width + 2) + columns
    corners = cells[torch.stack([place, place + 1, place + width + 2, place + width + 3], 1)]
    values, winner = torch.matmul(_quad_weights(probabilities), corners).max(-1)

    # Quads lie between the centres of cells: half a cell further out than the image, which is cut off.
    of_ids = first.repeat_interleave(_FINER, 0).repeat_interleave(_FINER, 1)
    of_values = F.interpolate(best[None, None], scale_factor=_FINER, mode="bilinear", align_corners=False)[0, 0]
    half = _FINER // 2
    of_values = of_values[half:-half, half:-half].contiguous()
    for canvas, found in ((of_ids, winner.to(torch.uint8)), (of_values, values)):
        quads = canvas.view(height + 1, _FINER, width + 1, _FINER).permute(0, 2, 1, 3)
        quads[rows, columns] = found.view(-1, _FINER, _FINER)
    inner = slice(half, -half), slice(half, -half)
    return of_ids[inner].contiguous(), (of_values[inner] * 255).round().to(torch.uint8)


def _quad_weights(like: Tensor) -> Tensor:
    """(16, 4): how much each of a quad's corners counts at each of its 4 × 4 pixels, row by row."""
    share = (torch.arange(_FINER, dtype=like.dtype) + 0.5) / _FINER
    along = torch.stack([1 - share, share], 1)
    return torch.einsum("ya,xb->yxab", along, along).reshape(_FINER * _FINER, 4)
