# SPDX-License-Identifier: Apache-2.0
"""Instance masks as COCO's compressed run lengths."""

from __future__ import annotations

from types import ModuleType
from typing import TypedDict

import numpy as np


class RunLengths(TypedDict):
    """COCO's compressed run-length encoding: ``size`` is [height, width]."""

    size: list[int]
    counts: str


def encode_mask(mask: np.ndarray) -> RunLengths:
    """(H, W) bool → its run lengths.

    Raises:
        ImportError: faster-coco-eval is not installed.
    """
    encoded = _coco_masks().encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def decode_masks(encoded: list[RunLengths], height: int, width: int) -> np.ndarray:
    """N run lengths → (N, H, W) bool.

    Raises:
        ImportError: faster-coco-eval is not installed.
    """
    if not encoded:
        return np.zeros((0, height, width), bool)
    return np.ascontiguousarray(_coco_masks().decode(encoded).transpose(2, 0, 1)).astype(bool)


def _coco_masks() -> ModuleType:
    try:
        from faster_coco_eval import mask
    except ImportError:
        raise ImportError("instance masks need faster-coco-eval: pip install 'mtl-perception[train]'") from None
    return mask
