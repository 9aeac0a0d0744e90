# SPDX-License-Identifier: Apache-2.0
"""The files of one labelled image, each checked while it is read.

``quiet`` is that of ``image_files.decode_rgb``: training, which stops at the first broken file, does without.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mtl_perception.core.image_files import (
    MAX_FILE_PIXELS,
    CorruptJpeg,
    ImageError,
    WrongKind,
    decode_label_map,
    decode_rgb,
    orientation,
    picture_size,
)
from mtl_perception.core.scene import UNLABELLED
from mtl_perception.data.content import printed, read_content
from mtl_perception.data.errors import DataError

_MAX_BYTES = 8 * MAX_FILE_PIXELS
"""Of a file: what the largest picture takes with 16 bits of four channels and no compression."""


def read_rgb(path: Path, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 RGB, perhaps read-only.

    Raises:
        DataError: the file is missing, no image, damaged, or of another size than annotations.json says.
    """
    return decode_photograph(path, read_picture(path), width, height)


def read_picture(path: Path) -> bytes:
    """A picture, not yet decoded. Raises DataError as ``read_content`` does."""
    return read_content(path, _MAX_BYTES)


def decode_photograph(path: Path, content: bytes, width: int, height: int, quiet: bool = False) -> np.ndarray:
    """Returns what ``read_rgb`` does of the file ``path`` that holds ``content``."""
    found = _attempt(path, picture_size, content)
    if found != (width, height):
        turned = found == (height, width) and _attempt(path, orientation, content) >= 5
        hint = _NOT_APPLIED if turned else "correct one of them"
        text = f"{printed(path)} is of {found[0]}x{found[1]}, annotations.json says {width}x{height}; {hint}"
        raise DataError(text, "size")
    return _attempt(path, decode_rgb, content, MAX_FILE_PIXELS, quiet=quiet)


def read_semantic(path: Path, width: int, height: int, classes: int, quiet: bool = False) -> np.ndarray:
    """(height, width) uint8 ids below ``classes``, or 255.

    Raises:
        DataError: the file is missing, no PNG of numbers, damaged, of another size than the image, or holds another id.
    """
    mask = _label_map(path, width, height, 8, quiet)
    if classes < UNLABELLED and cv2.countNonZero(cv2.inRange(mask, classes, UNLABELLED - 1)):
        ids = np.unique(mask)
        unknown = ", ".join(str(id_) for id_ in ids if classes <= id_ < UNLABELLED)
        text = f"expected 0 to {classes - 1} (segmentation_labels of dataset.json) or {UNLABELLED}"
        raise DataError(f"{printed(path)} holds class id {unknown}, {text}", "unknown class")
    return mask


def read_millimetres(path: Path, width: int, height: int, quiet: bool = False) -> np.ndarray:
    """(height, width) uint16 millimetres, 0 unknown.

    Raises:
        DataError: the file is missing, no 16-bit PNG, damaged, of another size than the image, or knows no pixel's depth.
    """
    millimetres = _label_map(path, width, height, 16, quiet)
    if not cv2.countNonZero(millimetres):
        raise DataError(f"{printed(path)} is 0 (unknown) everywhere; remove 'depth' from the image's tasks", "no depth")
    return millimetres


def read_lanes(path: Path, width: int, height: int, classes: int, quiet: bool = False) -> np.ndarray:
    """(height, width) uint8, bit k set where class k < ``classes`` is.

    Raises:
        DataError: the file is missing, no PNG of numbers, damaged, of another size than the image, or has another bit set.
    """
    bits = _label_map(path, width, height, 8, quiet)
    highest = int(bits.max())
    if highest >= 1 << classes:
        text = f"expected 0 to {classes - 1} (lanes_labels of dataset.json)"
        raise DataError(f"{printed(path)} has bit {highest.bit_length() - 1} set, {text}", "unknown class")
    return bits


def _label_map(path: Path, width: int, height: int, bits: int, quiet: bool) -> np.ndarray:
    content = read_picture(path)
    found = _attempt(path, picture_size, content)
    if found != (width, height):
        raise DataError(f"{printed(path)} is of {found[0]}x{found[1]}, its image of {width}x{height}", "size")
    return _attempt(path, decode_label_map, content, bits, MAX_FILE_PIXELS, quiet)


def _attempt(path: Path, read: Callable, content: bytes, *arguments: object, **options: object):
    try:
        return read(content, *arguments, **options)
    except WrongKind as error:
        raise DataError(f"{printed(path)}: {error}", "file type") from None
    except CorruptJpeg as error:
        raise DataError(f"{printed(path)} is not readable: {error}; where it looks right, save it anew", "unreadable") from None
    except ImageError as error:
        raise DataError(f"{printed(path)} is not readable: {error}", "unreadable") from None


_NOT_APPLIED = (
    "the file's EXIF orientation turns it, which is not applied: let annotations.json describe the pixels as they are stored, "
    "or turn the file itself (such as by ImageMagick's mogrify -auto-orient)"
)
