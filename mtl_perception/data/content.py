# SPDX-License-Identifier: Apache-2.0
"""Files of a data folder as bytes, or why there are none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mtl_perception.core.foreign_text import cut
from mtl_perception.data.errors import DataError

_ENDINGS = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")


def read_content(path: Path, most_bytes: int) -> bytes:
    """Every byte of a file.

    Raises:
        DataError: it is missing, something else than a file, or larger than ``most_bytes``.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):  # a pipe may never end
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, a socket or a device"
            raise DataError(f"{printed(path)} is {kind}, expected a file", "unreadable")
        if found.st_size > most_bytes:
            sizes = f"is of {found.st_size / 1e6:.0f} MB, expected at most {most_bytes / 1e6:.0f} MB"
            raise DataError(f"{printed(path)} {sizes}", "size")
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{printed(path)} is missing{_what_is_meant(path)}", "missing") from None
    except OSError as error:
        raise DataError(f"{printed(path)} can't be read: {error.strerror}", "unreadable") from None


def printed(path: Path | str) -> str:
    """``path`` as a line of text can hold it."""
    return cut(path, longest=300)


def _what_is_meant(path: Path) -> str:
    if "\\" in str(path):
        return r": file_name has a backslash (\), expected / between folders"
    try:
        for i, part in enumerate(path.parts):
            if part == "images" and Path(*path.parts[:i], *path.parts[i + 1 :]).is_file():
                return ": file_name counts from images/ on, expected it without 'images/' in front"
        for ending in _ENDINGS:
            if ending != path.suffix and path.with_suffix(ending).is_file():
                return f", there is {printed(path.with_suffix(ending).name)}"
    except (OSError, ValueError):  # such as a name that is too long
        pass
    return ""
