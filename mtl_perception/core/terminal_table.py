# SPDX-License-Identifier: Apache-2.0
"""Tables for the terminal that show every figure whole, however narrow it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_BETWEEN = 3  # a space on both sides of the space that stands for a line


@dataclass
class _Row:
    cells: list[Text]
    end_section: bool


@dataclass
class TerminalTable:
    """Rows under columns; the first column names the rows. Print it with rich.

    Where the terminal is too narrow for all columns, a table of figures goes on below with those that are left, and what is
    too wide for that, or has more words than figures, becomes a list. Text wraps between words; figures wrap only in a terminal that is
    narrower than they are. What looks like rich's markup is text.

    Attributes:
        figures: the columns after the first are figures, at their right edge; otherwise they are text.
        header: whether the columns' names are shown.
    """

    columns: Sequence[str]
    title: str = ""
    caption: str = ""
    figures: bool = True
    header: bool = True
    rows: list[_Row] = field(default_factory=list)

    def add_row(self, *cells: str | Text, end_section: bool = False) -> None:
        """One cell a column; ``end_section`` leaves room below."""
        if len(cells) != len(self.columns):
            raise ValueError(f"a row has {len(cells)} cells, expected {len(self.columns)}")
        texts = [cell if isinstance(cell, Text) else Text(cell) for cell in cells]
        self.rows.append(_Row(texts, end_section))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        if self.title:
            yield Text(self.title, style="table.title")
        blocks = self._blocks(width)
        if blocks is None:
            yield from self._list(width)
        else:
            for number, block in enumerate(blocks):
                if number:
                    yield Text()
                yield self._table(block, width)
        if self.caption:
            yield Text(self.caption, style="table.caption")

    def _blocks(self, width: int) -> list[list[int]] | None:
        """The columns of each table, or None where a list is needed."""
        least = [self._least(column, width) for column in range(len(self.columns))]
        if sum(least) + _BETWEEN * (len(least) - 1) <= width:
            return [list(range(len(least)))]
        if not self.figures:
            return None
        blocks: list[list[int]] = []
        left = 0
        for column in range(1, len(least)):
            needed = _BETWEEN + least[column]
            if not blocks or needed > left:
                blocks.append([0])
                left = width - least[0]
            if needed > left:
                return None
            blocks[-1].append(column)
            left -= needed
        return blocks or None

    def _least(self, column: int, width: int) -> int:
        """The least width that cuts no word, and no figure; names of rows stay on one line where they take a third of it at most."""
        if column == 0 and self._natural(0) <= width // 3:
            return self._natural(0)
        words = self.columns[column].split() if self.header else []
        for row in self.rows:
            plain = row.cells[column].plain
            words += [plain] if self._is_figure(column) else plain.split()
        return max(map(cell_len, words), default=0)

    def _natural(self, column: int) -> int:
        lines = [self.columns[column] if self.header else ""]
        for row in self.rows:
            lines += row.cells[column].plain.splitlines()
        return max(map(cell_len, lines))

    def _is_figure(self, column: int) -> bool:
        return self.figures and column > 0

    def _table(self, columns: list[int], width: int) -> Table:
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=self.header)
        widths = _shared(
            [self._least(column, width) for column in columns],
            [self._natural(column) for column in columns],
            width - _BETWEEN * (len(columns) - 1),
        )
        for column, its_width in zip(columns, widths):
            is_figure = self._is_figure(column)
            table.add_column(
                Text(self.columns[column]), width=its_width, justify="right" if is_figure else "left", no_wrap=False, overflow="fold"
            )
        for row in self.rows:
            table.add_row(*(row.cells[column] for column in columns), end_section=row.end_section)
        return table

    def _list(self, width: int) -> Iterator[Text]:
        for row in self.rows:
            yield Text(row.cells[0].plain, style="bold", overflow="fold")
            for name, cell in zip(self.columns[1:], row.cells[1:]):
                head = f"  {name}: " if self.header and name else "  "
                if cell_len(head) + cell_len(cell.plain) <= width:
                    yield Text(head).append_text(cell)
                elif self.figures:
                    yield from (Text(line, overflow="fold") for line in [head.rstrip()] if line.strip())
                    indent = "  " if cell_len(cell.plain) + 2 <= width else ""
                    yield Text(indent, overflow="fold").append_text(cell)
                else:
                    yield Text(head, overflow="fold").append_text(cell)


def _shared(least: list[int], natural: list[int], width: int) -> list[int]:
    """Widths between the least and the natural ones that fill ``width`` at most, the narrower columns served first."""
    widths = list(least)
    left = width - sum(widths)
    waiting = sorted(range(len(widths)), key=lambda column: natural[column] - least[column])
    for number, column in enumerate(waiting):
        more = min(natural[column] - least[column], left // (len(waiting) - number))
        widths[column] += max(0, more)
        left -= max(0, more)
    return widths
