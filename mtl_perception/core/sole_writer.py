# SPDX-License-Identifier: Apache-2.0
"""One process at a time writes to a folder of results."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class FolderInUse(OSError):
    """Another process writes to the folder."""


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Inside, other processes that ask for the same folder are refused. It is made if it does not exist, and removed if it stays empty.

    The folder itself is locked, so that no file is left in it, and a process that is killed lets go of it. File systems that can't
    lock a folder, as some of networks, refuse nobody.

    Raises:
        FolderInUse: another process writes to it.
        OSError: it can't be made or written to; the text names it.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except FileExistsError:
        raise NotADirectoryError(f"{folder} is a file, expected a folder") from None
    except OSError as error:
        raise OSError(f"can't write to {folder}: {error.strerror}; choose another folder") from None
    try:
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(f"can't write to {folder}: it is read-only; choose another folder")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(f"another process is writing to {folder}; wait for its end, or choose another folder") from None
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)
        if is_new:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
