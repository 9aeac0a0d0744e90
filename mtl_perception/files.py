# SPDX-License-Identifier: Apache-2.0
"""Writing files that are whole or absent, whatever happens meanwhile."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path | str, content: bytes) -> None:
    """Write ``content`` so that ``path`` holds either what it held before or all of it, also after a power cut.

    Raises:
        OSError: naming ``path``; what was there before is still there.
    """
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(content)
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
    _sync_folder(path.parent)


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
