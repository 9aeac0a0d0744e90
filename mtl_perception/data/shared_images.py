# SPDX-License-Identifier: Apache-2.0
"""Images that two data sets have in common, whatever they are called in each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TAIL_BYTES = 4096


def shared_images(first: Iterable[Path], second: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Pairs of files with the same bytes, one of each set, in the order of the first; a file that is not there has no pair.

    Of files of one size the ends are compared first, so sets without a common image are quickly told.
    """
    by_size: dict[int, list[Path]] = {}
    for path in second:
        if path.is_file():
            by_size.setdefault(path.stat().st_size, []).append(path)
    by_tail: dict[int, dict[bytes, list[Path]]] = {}
    found = []
    for path in first:
        size = path.stat().st_size if path.is_file() else -1
        if size not in by_size:
            continue
        if size not in by_tail:
            by_tail[size] = {}
            for other in by_size[size]:
                by_tail[size].setdefault(_tail(other), []).append(other)
        alike = by_tail[size].get(_tail(path), [])
        if alike:
            content = path.read_bytes()
            found += [(path, other) for other in alike if other.read_bytes() == content][:1]
    return found


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _TAIL_BYTES))
        return file.read()
