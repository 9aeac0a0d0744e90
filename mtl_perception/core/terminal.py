# SPDX-License-Identifier: Apache-2.0
"""The terminal, for text that others wrote as much as for ours."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text


class Terminal(Console):
    """A console on which text is text: brackets are no markup, ``:name:`` no picture, and what does not print, such as an
    escape sequence in a class's name, is a question mark. Styles are given beside the text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str("".join(one if one.isprintable() or one in "\n\t" else "?" for one in text), **options)
