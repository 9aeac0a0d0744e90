# SPDX-License-Identifier: Apache-2.0
"""Images that two data sets have in common, whatever they are called in each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def shared_images(first: Iterable[Path], second: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Pairs of files with the same bytes, one of each set, in the order of the first; a file that is not there has no pair.

    Only files of one size are read, so sets without a common image cost a look at each file's size.
    """
    by_size: dict[int, list[Path]] = {}
    for path in second:
        if path.is_file():
            by_size.setdefault(path.stat().st_size, []).append(path)
    contents: dict[int, dict[bytes, Path]] = {}
    found = []
    for path in first:
        size = path.stat().st_size if path.is_file() else -1
        if size not in by_size:
            continue
        if size not in contents:
            contents[size] = {_digest(other): other for other in reversed(by_size[size])}
        other = contents[size].get(_digest(path))
        if other is not None:
            found.append((path, other))
    return found


def _digest(path: Path) -> bytes:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
