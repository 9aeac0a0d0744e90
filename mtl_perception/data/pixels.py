# SPDX-License-Identifier: Apache-2.0
"""The files of one labelled image, each checked while it is read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mtl_perception.data.format import DataError
from mtl_perception.scene import UNLABELLED


def read_rgb(path: Path, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 RGB.

    Raises:
        DataError: the file is missing, no image, or of another size than annotations.json says.
    """
    image = _decoded(path, cv2.IMREAD_COLOR)
    if image.shape != (height, width, 3):
        found = f"{image.shape[1]}x{image.shape[0]}"
        raise DataError(
            f"{path} is of {found}, annotations.json says {width}x{height}; correct one of them", "size"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def read_semantic(path: Path, width: int, height: int, classes: int) -> np.ndarray:
    """(height, width) uint8 ids below ``classes``, or 255.

    Raises:
        DataError: the file is missing, no 8-bit PNG, of another size than the image, or holds another id.
    """
    mask = _label_map(path, width, height, np.uint8)
    unknown = np.zeros(256, np.uint8)
    unknown[classes:UNLABELLED] = 1
    if cv2.countNonZero(cv2.LUT(mask, unknown)):
        ids = np.flatnonzero(np.bincount(mask.ravel(), minlength=256) * unknown)
        text = f"expected 0 to {classes - 1} (segmentation_labels of dataset.json) or {UNLABELLED}"
        raise DataError(f"{path} holds class id {', '.join(map(str, ids))}, {text}", "unknown class")
    return mask


def read_millimetres(path: Path, width: int, height: int) -> np.ndarray:
    """(height, width) uint16 millimetres, 0 unknown.

    Raises:
        DataError: the file is missing, no 16-bit PNG, of another size than the image, or knows no pixel's depth.
    """
    millimetres = _label_map(path, width, height, np.uint16)
    if not cv2.countNonZero(millimetres):
        raise DataError(
            f"{path} is 0 (unknown) everywhere; remove 'depth' from the image's tasks", "no depth"
        )
    return millimetres


def read_lanes(path: Path, width: int, height: int, classes: int) -> np.ndarray:
    """(height, width) uint8, bit k set where class k < ``classes`` is.

    Raises:
        DataError: the file is missing, no 8-bit PNG, of another size than the image, or has another bit set.
    """
    bits = _label_map(path, width, height, np.uint8)
    highest = int(bits.max())
    if highest >= 1 << classes:
        text = f"expected 0 to {classes - 1} (lanes_labels of dataset.json)"
        raise DataError(f"{path} has bit {highest.bit_length() - 1} set, {text}", "unknown class")
    return bits


def _label_map(path: Path, width: int, height: int, dtype: type) -> np.ndarray:
    values = _decoded(path, cv2.IMREAD_UNCHANGED)
    if values.dtype != dtype or values.ndim != 2:
        channels = 1 if values.ndim == 2 else values.shape[2]
        bits = 8 * np.dtype(dtype).itemsize
        text = f"holds {channels} channel{'s' * (channels > 1)} of {values.dtype}, expected a grey PNG of {bits} bits"
        raise DataError(f"{path} {text}", "file type")
    if values.shape != (height, width):
        found = f"{values.shape[1]}x{values.shape[0]}"
        raise DataError(f"{path} is of {found}, its image of {width}x{height}", "size")
    return values


def _decoded(path: Path, flags: int) -> np.ndarray:
    try:
        content = np.fromfile(path, np.uint8)
    except FileNotFoundError:
        raise DataError(f"{path} is missing", "missing") from None
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}", "unreadable") from error
    # OpenCV 4 makes the rest of a JPEG that breaks off grey, without an error; what such a file lacks is its end.
    is_cut = content[:2].tobytes() == b"\xff\xd8" and content.tobytes().rfind(b"\xff\xd9") < 0
    try:
        image = None if is_cut or not len(content) else cv2.imdecode(content, flags)
    except cv2.error:  # such as a header that claims gigapixels
        image = None
    if image is None:
        raise DataError(
            f"{path} is not readable as an image; it is damaged, or of another kind than its name says",
            "unreadable",
        )
    return image
