# SPDX-License-Identifier: Apache-2.0
"""The files of one labelled image, each checked while it is read.

``quiet`` is that of ``image_files.decode_rgb``: training, which stops at the first broken file, does without.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
from mtl_perception.data.content import printed, read_content
from mtl_perception.data.errors import DataError
from mtl_perception.tasks import LabelError, MapCodec

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


def read_map(path: Path, codec: MapCodec, width: int, height: int, classes: int, quiet: bool = False) -> np.ndarray:
    """(height, width) values of a label's PNG; ``classes``: how many dataset.json lists for this kind.

    Raises:
        DataError: the file is missing, no PNG of numbers of that width, damaged, of another size than the image, or holds values that
            mean nothing.
    """
    stored = _label_map(path, width, height, 8 * np.dtype(codec.dtype).itemsize, quiet)
    try:
        codec.check(stored, classes)
    except LabelError as error:
        raise DataError(f"{printed(path)} {error}", error.kind) from None
    return stored


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
        raise DataError(f"{printed(path)} is not readable: {error}; if it looks right in a viewer, save it again", "unreadable") from None
    except ImageError as error:
        raise DataError(f"{printed(path)} is not readable: {error}", "unreadable") from None


_NOT_APPLIED = (
    "the file's EXIF orientation turns it, which is not applied: let annotations.json describe the pixels as they are stored, "
    "or turn the file itself (such as by ImageMagick's mogrify -auto-orient)"
)
