# SPDX-License-Identifier: Apache-2.0
"""Cached files with a checksum beside them: what a disk or a crash has spoilt is made anew, never run."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from mtl_perception.core.files import write_atomically

_SUFFIX = ".sha256"


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/mtl_perception``, by default ``~/.cache/mtl_perception``; it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mtl_perception"


def read_checked(path: Path) -> bytes | None:
    """The file's content if it is what was written; else None."""
    try:
        content = path.read_bytes()
        return content if _beside(path).read_bytes() == _line(path, content) else None
    except OSError:
        return None


def write_checked(path: Path, content: bytes) -> None:
    """Write the file and its checksum, each whole or not at all. Between the two, readers see that they differ.

    Raises:
        OSError: it can't be written.
    """
    write_atomically(path, content)
    add_checksum(path, content)


def add_checksum(path: Path, content: bytes | None = None) -> None:
    """Vouch for the file as it is.

    Raises:
        OSError: it can't be read, or its checksum can't be written.
    """
    write_atomically(_beside(path), _line(path, path.read_bytes() if content is None else content))


def remove_spoilt(folder: Path) -> None:
    """Remove the files of ``folder`` that nobody vouches for, or that have changed since."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix != _SUFFIX and read_checked(path) is None:
            path.unlink(missing_ok=True)


def add_checksums(folder: Path) -> None:
    """Vouch for every file of ``folder``.

    Raises:
        OSError: as ``add_checksum``.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix != _SUFFIX and path.is_file():
            add_checksum(path)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _SUFFIX)


def _line(path: Path, content: bytes) -> bytes:
    """As ``sha256sum`` writes it."""
    return f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode()
