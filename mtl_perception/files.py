# SPDX-License-Identifier: Apache-2.0
"""Writing files that are whole or absent, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write_atomically(path: Path | str, content: bytes, durable: bool = True) -> None:
    """Write ``content`` so that ``path`` holds either what it held before or all of it, also after a power cut.

    Args:
        durable: wait until the disk has it. Thousands of small files that can be made again are written faster without.

    Raises:
        OSError: naming ``path``; what was there before is still there.
    """
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        kept = "; the file that was there before is kept" if path.exists() else ""
        raise OSError(error.errno, f"can't write {path}: {error.strerror}{kept}") from error
    finally:
        try:
            unfinished.unlink(missing_ok=True)
        except OSError:
            pass  # what went wrong before is what the caller should hear of
    if durable:
        _sync_folder(path.parent)


def write_json(path: Path | str, content: object) -> None:
    """Write ``content`` as JSON, whole or not at all.

    Raises:
        OSError: as ``write_atomically``.
        ValueError: ``content`` holds NaN or infinity, which JSON does not know.
    """
    write_atomically(path, json.dumps(content, separators=(",", ":"), allow_nan=False).encode())


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
