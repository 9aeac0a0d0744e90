# SPDX-License-Identifier: Apache-2.0
"""Lists of class names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def united(lists: Iterable[Sequence[str]]) -> list[str]:
    """Every name of ``lists`` once, in the order of its first appearance."""
    return list(dict.fromkeys(name for names in lists for name in names))
