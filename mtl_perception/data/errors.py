# SPDX-License-Identifier: Apache-2.0
"""Errors of data sets."""

from __future__ import annotations

from typing import NamedTuple


class DataError(ValueError):
    """A data set that can't be used; the message names the file, what was expected and what to do.

    Attributes:
        kind: a word or two for tables, such as "unreadable".
    """

    def __init__(self, message: str, kind: str = "index") -> None:
        super().__init__(message)
        self.kind = kind


class Problem(NamedTuple):
    """Something wrong with a data set.

    Attributes:
        kind: a word or two for tables.
        text: names the file or entry, what it holds and what was expected.
        is_error: False for what training can live with.
    """

    kind: str
    text: str
    is_error: bool = True
