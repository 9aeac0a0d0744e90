# SPDX-License-Identifier: Apache-2.0
"""Why a picture is not decoded."""

from __future__ import annotations


class ImageError(ValueError):
    """A picture that can't be decoded; the text says what it is and what is wrong with it."""


class WrongKind(ImageError):
    """It is whole, and of a kind that is not read here."""


class TooLarge(ImageError):
    """It has more pixels than are allowed."""


class CorruptJpeg(ImageError):
    """A JPEG whose data contradict themselves: it can be decoded, and parts of it would be wrong."""


def refuse_too_large(what: str, width: int, height: int, max_pixels: int) -> None:
    """Raise TooLarge for more than ``max_pixels``; ``what`` is the kind of picture."""
    if width * height > max_pixels:
        raise TooLarge(f"{what} is of {width}x{height} = {width * height} pixels, expected at most {max_pixels}")
