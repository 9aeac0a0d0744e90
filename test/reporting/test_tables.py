# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from rich.console import Console

from mtl_perception.reporting.html import render_page
from mtl_perception.reporting.tables import escaped, markdown, terminal

ROWS = [["", "mIoU ↑", "a|b"], ["one", "0.412", "−3.2 %"], ["two", "–", "<b>"]]


def test_markdown_keeps_its_columns() -> None:
    assert markdown(ROWS).splitlines() == [
        "|  | mIoU ↑ | a\\|b |",
        "| --- | ---: | ---: |",
        "| one | 0.412 | −3.2 % |",
        "| two | – | <b> |",
    ]
    assert markdown(ROWS, figures=False).splitlines()[1] == "| --- | --- | --- |"


def test_foreign_text_is_no_markdown() -> None:
    assert escaped("a [link](x)\n\n<b> `code`") == "a \\[link](x) &lt;b&gt; \\`code\\`"


def test_the_terminal_shows_every_cell() -> None:
    console = Console(width=60, record=True)
    console.print(terminal(ROWS, "scores", "of two"))
    text = console.export_text()
    assert all(cell in text for row in [*ROWS, ["scores", "of two"]] for cell in row)


def test_html_escapes_and_marks_what_is_worse(tmp_path: Path) -> None:
    template = tmp_path / "page.html.j2"
    template.write_text('{% import "tables.html.j2" as tables %}{{ tables.table(rows, marks_losses=true) }}')
    page = render_page(template, {"rows": ROWS})
    assert page.count("<tr>") == 3
    assert '<td class="n worse">−3.2 %</td>' in page
    assert "&lt;b&gt;" in page and "<b>" not in page
