# SPDX-License-Identifier: Apache-2.0
"""Splits by group: images of one room or one drive resemble each other too much to be on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mtl_perception.data.format import DataError


def split_groups(groups: Iterable[str], share: float, seed: int, what: str = "the data") -> set[str]:
    """About ``share`` of the different ``groups``, at least one and not all of them.

    Each group draws a number from its name and ``seed``, whatever the others are: the choice outlives a growing data set,
    and the choice of a smaller share is part of that of a larger one.

    Raises:
        ValueError: ``share`` is not between 0 and 1.
        DataError: there are fewer than two groups; ``what`` is what the message calls the data.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share of a split is {share}, expected more than 0 and less than 1")
    draws = {group: _draw(group, seed) for group in groups}
    if len(draws) < 2:
        raise DataError(
            f"{what} has {len(draws)} group, expected at least 2 to split: images of one group would be on both sides. "
            "Give a separate validation folder, or a group of its own to each room or drive in annotations.json",
            "group",
        )
    ordered = sorted(draws, key=lambda group: (draws[group], group))
    count = sum(draw < share for draw in draws.values())
    return set(ordered[: min(max(count, 1), len(ordered) - 1)])


def _draw(group: str, seed: int) -> float:
    """A number in [0, 1) that is the same on every machine."""
    digest = hashlib.blake2s(f"{seed}:{group}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
