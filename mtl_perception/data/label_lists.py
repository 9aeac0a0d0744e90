# SPDX-License-Identifier: Apache-2.0
"""From one list of class names to another, matched by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mtl_perception.core.scene import UNLABELLED


def united(lists: Iterable[Sequence[str]]) -> list[str]:
    """Every name of ``lists`` once, in the order of its first appearance."""
    return list(dict.fromkeys(name for names in lists for name in names))


def id_table(own: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """(256,) uint8: an id among ``own`` → that of the same name among ``wanted``, 255 if none.

    Raises:
        ValueError: ``wanted`` has more names than 8 bits have ids.
    """
    if len(wanted) > UNLABELLED:
        raise ValueError(f"{len(wanted)} segmentation labels, expected at most {UNLABELLED}: ids have 8 bits")
    table = np.full(256, UNLABELLED, np.uint8)
    for i, name in enumerate(own):
        if name in wanted:
            table[i] = wanted.index(name)
    return table


def bit_table(own: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """(256,) uint8: bits in the order of ``own`` → those of the same names in the order of ``wanted``.

    Raises:
        ValueError: ``wanted`` has more than 8 names.
    """
    if len(wanted) > 8:
        raise ValueError(f"{len(wanted)} lanes labels ({', '.join(wanted)}), expected at most 8: masks share 8 bits")
    values = np.arange(256)
    moved = (((values >> i) & 1) << wanted.index(name) for i, name in enumerate(own) if name in wanted)
    return sum(moved, np.zeros(256, np.int64)).astype(np.uint8)


def known(wanted: Sequence[str], own: Sequence[str]) -> np.ndarray | None:
    """(C,) bool, which of ``wanted`` are among ``own``; None: all."""
    found = np.isin(wanted, own)
    return None if found.all() else found
