# SPDX-License-Identifier: Apache-2.0
"""Names that others chose come out as they are, however they look to rich or to a terminal."""

import io

import pytest
from rich.table import Table

from mtl_perception.core.progress import frame_progress
from mtl_perception.core.terminal import Terminal

NAMES = ["[/b]", "[red]cup", "[bold", ":smile:", "[link=http://a]b[/link]", "\\[b]"]


def printed(show) -> str:
    output = io.StringIO()
    show(Terminal(file=output, width=200))
    return output.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_names_are_no_markup(name):
    def show(console: Terminal) -> None:
        table = Table(name, title=name, caption=name)
        table.add_row(name)
        console.print(table)
        console.print(f"about {name}", style="bold")
        with frame_progress(console, name, 1) as done:
            done(1, name)

    assert printed(show).count(name) >= 5


@pytest.mark.parametrize("name", ["\x1b[2J", "\x1b]0;title\x07", "a\rb", "\x9b2J", "\u202edlrow", "a\0b"])
def test_what_does_not_print_never_reaches_the_terminal(name):
    def show(console: Terminal) -> None:
        table = Table(name)
        table.add_row(name)
        console.print(table)
        console.print(name)

    assert not set(printed(show)) & set("\x1b\x07\r\x9b\u202e\0")


def test_lines_and_tabs_stay():
    assert printed(lambda console: console.print("a\n\tb")).split() == ["a", "b"]
