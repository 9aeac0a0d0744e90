# SPDX-License-Identifier: Apache-2.0
"""JSON label files: straight into small objects, without a dictionary for each of a million boxes."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from mtl_perception.data.format import DataError

T = TypeVar("T")


def read_json(path: Path, kind: type[T]) -> T:
    """The content of a JSON file as ``kind``, a msgspec type; keys that it does not know are passed over.

    Raises:
        DataError: the file is missing, is not JSON, or holds something else; the message says where.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", "missing") from None
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}", "unreadable") from error
    return parse_json(content, kind, str(path))


def parse_json(content: bytes, kind: type[T], where: str) -> T:
    """As ``read_json``; ``where`` names the content in messages."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = content.decode("utf-16").encode()
    content = content.removeprefix(b"\xef\xbb\xbf")  # Windows programs put it before UTF-8
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise DataError(f"{where} is not as expected: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{where} is not valid JSON: {error}", "unreadable") from error


def start_of(path: Path, size: int = 1 << 16) -> bytes:
    """The first bytes of a file, to guess its format; empty if it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""
