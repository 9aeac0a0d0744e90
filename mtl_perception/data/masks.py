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


def decode_mask(encoded: RunLengths | list[list[float]] | None, height: int, width: int) -> np.ndarray:
    """Run lengths, or COCO's polygons (x, y, x, y …, pixels), → (height, width) bool; None → no pixel.

    Raises:
        ImportError: faster-coco-eval is not installed.
        ValueError: the run lengths are damaged, or of another size.
    """
    if not encoded:
        return np.zeros((height, width), bool)
    coco = _coco_masks()
    try:
        if isinstance(encoded, list):
            encoded = coco.merge(coco.frPyObjects(encoded, height, width))
        elif isinstance(encoded["counts"], list):
            encoded = coco.frPyObjects(encoded, height, width)
        if list(encoded["size"]) != [height, width]:
            raise ValueError(
                f"its mask is of size {encoded['size']}, expected the image's [{height}, {width}]"
            )
        return coco.decode(encoded).astype(bool)
    except (RuntimeError, TypeError, KeyError) as error:
        raise ValueError(f"its mask is damaged: {error}") from error


def _coco_masks() -> ModuleType:
    try:
        from faster_coco_eval import mask
    except ImportError:
        raise ImportError(
            "instance masks need faster-coco-eval: pip install 'mtl-perception[train]'"
        ) from None
    return mask
