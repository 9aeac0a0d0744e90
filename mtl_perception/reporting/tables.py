# SPDX-License-Identifier: Apache-2.0
"""Rows of words as tables: for Markdown and for the terminal; ``tables.html.j2`` does it for HTML.

The first row is the head, the first cell of each row its name.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from mtl_perception.core.terminal_table import TerminalTable

Rows = Sequence[Sequence[str]]

ARROWS = {"higher": "↑", "lower": "↓"}
"""Beside a measure: which of its values are better."""


def escaped(text: str) -> str:
    """Foreign text as Markdown that shows it: no HTML, no links, no new paragraph."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return plain.replace("[", "\\[").replace("`", "\\`")


def verdict(is_met: bool) -> str:
    """Whether a target is met, for the last column of a table of targets."""
    return "met" if is_met else "**missed**"


def markdown(rows: Rows, figures: bool = True) -> str:
    """Rows as a Markdown table.

    Args:
        figures: the columns after the first are figures, at their right edge; otherwise they are text.
    """
    head, *body = rows
    rule = ["---", *["---:" if figures else "---"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in (head, rule, *body))


def terminal(rows: Rows, title: str = "", caption: str = "") -> TerminalTable:
    """Rows of figures as a table to print with rich."""
    head, *body = rows
    table = TerminalTable(head, title=title, caption=caption)
    for cells in body:
        table.add_row(*cells)
    return table
