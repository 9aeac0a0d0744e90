# SPDX-License-Identifier: Apache-2.0
"""Formats by the names that users give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str: ...


Format = TypeVar("Format", bound=Named)


def find_by_name(formats: Iterable[Format], name: str, kind: str, *others: str) -> Format:
    """The format of this name.

    Args:
        kind: the word for such a format in the message.
        others: names that a user may give too, for the message.

    Raises:
        ValueError: there is no such format; the message lists those there are.
    """
    known = {entry.name: entry for entry in formats}
    if name in known:
        return known[name]
    raise ValueError(f"{kind} '{name}' is unknown, expected one of: {', '.join([*known, *others])}")
