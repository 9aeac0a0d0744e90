# SPDX-License-Identifier: Apache-2.0
"""Notes of work that goes picture by picture, with which the same call goes on where it was cut off, be it by ``kill -9``."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from mtl_perception.core.files import write_json


class Unfinished:
    """A folder that is there while a call has work left.

    What another call, one of other settings, left in it is removed.

    Args:
        folder: holds ``settings.json`` and whatever the call keeps.
        settings: what must be the same for a call to go on, as JSON can hold it.

    Raises:
        OSError: the folder can't be written.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        told, file = json.loads(json.dumps(settings)), folder / "settings.json"
        if settings_in(folder) != told:
            shutil.rmtree(folder, ignore_errors=True)
            write_json(file, told)

    def finish(self) -> None:
        """Remove it: there is nothing left to do."""
        shutil.rmtree(self.folder)


def settings_in(folder: Path) -> Any:
    """Returns the settings of the call that left ``folder``; None if there was none."""
    try:
        return json.loads((folder / "settings.json").read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


class Journal:
    """One line of JSON for each picture that is done. A line that a crash has torn counts as not written.

    Attributes:
        rows: all of them, those of earlier calls first.

    Raises:
        OSError: the file can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        whole = path.read_bytes() if path.exists() else b""
        whole = whole[: whole.rfind(b"\n") + 1]
        self.rows: list[Any] = [json.loads(line) for line in whole.splitlines()]
        self._file: BinaryIO = path.open("ab")
        self._file.truncate(len(whole))

    def add(self, row: Any) -> None:
        """Note that one more is done, once its files are written."""
        self._file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
        self._file.flush()  # the system has it, whatever happens to this process
        self.rows.append(row)

    def close(self) -> None:
        self._file.close()


def fingerprint(paths: Iterable[Path]) -> str:
    """Returns a text that changes when one of these files is changed, as far as its size and time tell."""
    digest = hashlib.blake2b(digest_size=8)
    for path in paths:
        stat = path.stat()
        digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def done_already(done: int, total: int | None) -> str:
    """Returns the line that tells what is kept of an earlier call."""
    return f"{done} {'pictures' if total is None else f'of {total} pictures'} are done already"
