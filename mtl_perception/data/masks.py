# SPDX-License-Identifier: Apache-2.0
"""Instance masks as COCO's compressed run lengths."""

from __future__ import annotations

from types import ModuleType
from typing import TypedDict

import numpy as np

from mtl_perception.core.foreign_text import cut


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


def decode_mask(encoded: object, height: int, width: int) -> np.ndarray:
    """A mask as JSON has it → (height, width) bool; None and an empty list → no pixel.

    Args:
        encoded: COCO's run lengths, ``{"size": [height, width], "counts": …}`` with the counts as text or as a list, or its
            polygons, lists of x, y, x, y … in pixels.

    Raises:
        ImportError: faster-coco-eval is not installed.
        ValueError: it is none of these, is damaged, or of another size.
    """
    if encoded is None or encoded == []:
        return np.zeros((height, width), bool)
    if isinstance(encoded, list):
        return _decode_polygons(encoded, height, width)
    if not isinstance(encoded, dict) or not encoded.keys() >= {"size", "counts"}:
        raise ValueError(f"its mask is {cut(repr(encoded))}, expected run lengths (size, counts) or polygons")
    if encoded["size"] != [height, width]:
        size = cut(repr(encoded["size"]))
        raise ValueError(f"its mask is of size {size}, expected the image's [{height}, {width}]")
    counts = encoded["counts"]
    if isinstance(counts, str):
        return _decode_text(counts, height, width)
    if isinstance(counts, list):
        return _decode_list(counts, height, width)
    raise ValueError(f"its mask's counts are {cut(repr(counts))}, expected text or a list of numbers")


def _decode_text(counts: str, height: int, width: int) -> np.ndarray:
    try:
        return _coco_masks().decode({"size": [height, width], "counts": counts}).astype(bool)
    except ImportError:
        raise
    except Exception as error:  # the library's own words are of its insides
        raise ValueError(f"its mask's counts {cut(repr(counts), 40)} are no run lengths of {height * width} pixels") from error


def _decode_list(counts: list[object], height: int, width: int) -> np.ndarray:
    wrong = next((count for count in counts if type(count) is not int or count < 0), None)
    if wrong is not None:
        raise ValueError(f"its mask's counts hold {cut(repr(wrong))}, expected whole numbers from 0 on")
    if sum(counts) != height * width:
        total = sum(counts)
        said = total if total < 2**63 else "more than the largest number"
        raise ValueError(f"its mask's counts add up to {said}, expected the image's {height * width} pixels")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T


def _decode_polygons(polygons: list[object], height: int, width: int) -> np.ndarray:
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"its mask has the polygon {cut(repr(polygon))}, expected x, y, x, y … of three points or more")
        for i, value in enumerate(polygon):
            side = height if i % 2 else width
            # The library draws point by point what lies outside, too: a far one takes all memory.
            if type(value) not in (int, float) or not -side <= value <= 2 * side:
                raise ValueError(
                    f"its mask has a polygon with {'xy'[i % 2]} {cut(repr(value))}, expected a number within the image of {width}x{height}"
                )
    coco = _coco_masks()
    return coco.decode(coco.merge(coco.frPyObjects(polygons, height, width))).astype(bool)


def _coco_masks() -> ModuleType:
    try:
        from faster_coco_eval import mask
    except ImportError:
        raise ImportError("instance masks need faster-coco-eval: pip install 'mtl-perception[train]'") from None
    return mask
