# SPDX-License-Identifier: Apache-2.0
"""Picture files as they lie on a disk: their true size, and which way up they are meant to be seen.

A camera may store a picture as its sensor sees it and note in EXIF how a viewer has to turn it. Here pictures become
upright pixels without such a note.
"""

from __future__ import annotations

import io
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.format import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif", ".jfif")
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class ImageBytes:
    """A picture file. ``where`` names it in messages."""

    content: bytes
    where: str


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A picture file on disk."""

    path: Path

    def read(self) -> ImageBytes:
        """Raises DataError: the file is missing or can't be read."""
        return ImageBytes(read_bytes(self.path), str(self.path))


@dataclass(frozen=True, slots=True)
class Header:
    """Metadata of a picture file.

    Attributes:
        kind: "JPEG", "PNG" …
        width, height: of the stored pixels.
        orientation: EXIF's, 1 to 8; 1 is upright, 5 to 8 change width and height.
    """

    kind: str
    width: int
    height: int
    orientation: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) as a viewer shows it."""
        return turned_size((self.width, self.height), self.orientation)


def read_bytes(path: Path) -> bytes:
    """Raises DataError: the file is missing or can't be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing", "missing") from None
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}", "unreadable") from error


def read_header(image: ImageBytes) -> Header:
    """Raises DataError: it is no picture, or claims a size that can't be."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(image.content)) as opened:
            orientation = opened.getexif().get(_EXIF_ORIENTATION, 1)
            header = Header(opened.format or "", *opened.size, orientation if orientation in range(1, 9) else 1)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise DataError(_unreadable(image, error), "unreadable") from error
    # OpenCV makes the rest of a JPEG that breaks off grey, without an error; what such a file lacks is its end.
    if header.kind == "JPEG" and image.content.rfind(b"\xff\xd9") < 0:
        raise DataError(f"{image.where} breaks off: a JPEG file ends with FF D9; copy it again", "unreadable")
    return header


def read_pixels(image: ImageBytes, header: Header) -> np.ndarray:
    """(H, W, 3) uint8 RGB, upright.

    Raises:
        DataError: it can't be decoded.
    """
    bgr = decode(image, cv2.IMREAD_COLOR)
    return turned(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), header.orientation)


def decode(image: ImageBytes, flags: int) -> np.ndarray:
    """The stored pixels by OpenCV's ``flags``, not turned. Raises DataError."""
    try:
        pixels = cv2.imdecode(np.frombuffer(image.content, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise DataError(_unreadable(image, error), "unreadable") from error
    if pixels is None:
        raise DataError(_unreadable(image, None), "unreadable")
    return pixels


def read_index_image(path: Path) -> np.ndarray:
    """The values of a label image as they are stored: (H, W) ids or palette indices, or (H, W, 3) colours.

    Palettes are not applied, and bits are not stretched: a 1-bit PNG gives 0 and 1.

    Raises:
        DataError: it is missing or can't be read.
    """
    from PIL import Image, UnidentifiedImageError

    content = read_bytes(path)
    try:
        with Image.open(io.BytesIO(content)) as opened:
            if opened.format == "JPEG":
                raise DataError(
                    f"{path} is a JPEG: its compression mixes the ids of neighbouring pixels; export the masks as PNG", "file type"
                )
            if opened.mode == "1":
                return np.asarray(opened).astype(np.uint8)
            if opened.mode in ("P", "L", "I", "I;16", "I;16B", "F"):
                return np.asarray(opened)
            return np.asarray(opened.convert("RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise DataError(f"{path} is not readable as an image: {error}", "unreadable") from error


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(width, height) after turning."""
    return size if orientation < 5 else (size[1], size[0])


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (H, W, …) as they are meant to be seen, by EXIF's orientation 1 to 8."""
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def turned_points(xy: np.ndarray, size: tuple[int, int], orientation: int) -> np.ndarray:
    """(N, 2) points in the stored picture of ``size`` (width, height) → in the upright one."""
    if orientation >= 5:
        xy = xy[:, ::-1]
    width, height = turned_size(size, orientation)
    xy = xy.copy()
    if orientation in (2, 3, 6, 7):
        xy[:, 0] = width - xy[:, 0]
    if orientation in (3, 4, 7, 8):
        xy[:, 1] = height - xy[:, 1]
    return xy


def turned_camera(camera: Intrinsics, orientation: int) -> Intrinsics:
    """Intrinsics of the stored picture → of the upright one."""
    # A pixel's centre lies half a pixel from its edges.
    centre = np.array([[camera.cx + 0.5, camera.cy + 0.5]])
    cx, cy = turned_points(centre, (camera.width, camera.height), orientation)[0] - 0.5
    width, height = turned_size((camera.width, camera.height), orientation)
    fx, fy = (camera.fx, camera.fy) if orientation < 5 else (camera.fy, camera.fx)
    return Intrinsics(width, height, fx, fy, float(cx), float(cy))


def has_picture_suffix(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def same_spelling(name: str) -> str:
    """One form for names that look alike: a Mac spells "ä" with two characters, others with one."""
    return unicodedata.normalize("NFC", name)


def _unreadable(image: ImageBytes, error: Exception | None) -> str:
    reason = f" ({str(error)[:100]})" if error is not None and str(error) else ""
    return f"{image.where} is not readable as an image{reason}; it is damaged, or of another kind than its name says"
