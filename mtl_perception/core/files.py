# SPDX-License-Identifier: Apache-2.0
"""Files that are written whole or not at all, and read only where they are what they should be."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path | str, content: bytes, durable: bool = True) -> None:
    """Write ``content`` so that ``path`` holds either what it held before or all of it, also after a power cut.

    Args:
        durable: wait until the disk has it. Thousands of small files that can be made again are written faster without.

    Raises:
        OSError: naming ``path``; what was there before is still there.
    """
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    is_whole = False
    try:
        with _opened(unfinished) as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
        is_whole = True
    except OSError as error:
        kept = "; the file that was there before is kept" if path.exists() else ""
        raise OSError(error.errno, f"can't write {path}: {error.strerror}{kept}") from error
    finally:
        if not is_whole:
            try:
                unfinished.unlink(missing_ok=True)
            except OSError:
                pass  # what went wrong before is what the caller should hear of
    if durable:
        _sync_folder(path.parent)


def _opened(path: Path) -> BinaryIO:
    """A new file. Its folder is nearly always there, and asking costs as much as writing a small file."""
    try:
        return path.open("wb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")


def write_json(path: Path | str, content: object) -> None:
    """Write ``content`` as JSON, whole or not at all.

    Raises:
        OSError: as ``write_atomically``.
        ValueError: ``content`` holds NaN or infinity, which JSON does not know.
    """
    write_atomically(path, json.dumps(content, separators=(",", ":"), allow_nan=False).encode())


def read_limited(path: Path | str, most_bytes: int) -> bytes:
    """The content of a file of at most ``most_bytes``.

    Raises:
        OSError: it can't be read, is a folder or a pipe, which might never end, or is larger; the file is named.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device; expected a file", str(path))
    with open(path, "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes / 1e6:.1f} MB", str(path))
    return content


def read_text(path: Path | str, most_bytes: int = 2**20) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        OSError: as ``read_limited``.
        ValueError: it is not in UTF-8; the file is named.
    """
    try:
        return read_limited(path, most_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: byte {error.start} can't be part of any") from None


def _sync_folder(folder: Path) -> None:
    """The new name lasts through a power cut only once its folder is on the disk; some network disks can't do it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
