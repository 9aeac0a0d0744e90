# SPDX-License-Identifier: Apache-2.0
"""No width of a terminal cuts a figure, nor a word that fits into it."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from mtl_perception.core.terminal_table import TerminalTable
from mtl_perception.evaluation.results import EvaluationResult, ModelResult, SetResult
from mtl_perception.evaluation.tables import row_table, sets_table

WIDTHS = (20, 40, 80, 200)


def printed(table: TerminalTable, width: int) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width).print(table)
    return text.getvalue().splitlines()


def words(lines: list[str]) -> list[str]:
    return " ".join(lines).split()


@pytest.fixture
def nine_sets() -> EvaluationResult:
    model = ModelResult(
        name="lite", version="1", tasks=["segmentation"], encoder="e", input_width=64, input_height=64,
        parameters=1, gmac=1.0, gmac_640x480=1.0, size_bytes=1, training={},
    )  # fmt: skip
    result = EvaluationResult(mtl_perception="0", command="evaluate", model=model, device="cpu", precision="float32")
    for number in range(9):
        scores = {
            "segmentation": {"mIoU": 0.4011 + number / 100, "frames": 10},
            "depth": {"AbsRel": 0.2031 + number / 100, "RMSE": 12.341 + number, "frames": 10},
        }
        name = f"unseen rooms {number}"
        result.add(name, SetResult(data=name, description={}, frames=12345 + number, limit=None, left_out=[], tasks_left_out=[],
                                   problems=[], scores=scores))  # fmt: skip
    return result


@pytest.mark.parametrize("width", WIDTHS)
def test_nine_sets_show_every_figure(nine_sets, width):
    lines = printed(sets_table(nine_sets), width)
    assert max(map(cell_len, lines)) <= width
    found = words(lines)
    for number in range(9):
        expected = f"{0.4011 + number / 100:.3f}", f"{0.2031 + number / 100:.3f}", f"{12.341 + number:.2f}", str(12345 + number)
        assert set(expected) <= set(found)
    assert not any("…" in line for line in lines)


def test_every_block_of_columns_has_the_names_of_the_rows(nine_sets):
    lines = printed(sets_table(nine_sets), 80)
    blocks = sum(line.startswith("frames ") for line in lines)
    assert 1 < blocks < 9
    assert sum(line.startswith("mIoU ↑ ") for line in lines) == blocks
    assert sum(line.startswith("frames ") for line in printed(sets_table(nine_sets), 200)) == 1


@pytest.mark.parametrize("width", WIDTHS)
def test_figures_of_each_class_are_whole(width):
    rows = {
        f"class_{number}": {"boxes": 10**number, "AP": 0.12345, "AP50": 0.54321, "recall_of_small_objects": None} for number in range(8)
    }
    found = words(printed(row_table("detection, per class", rows), width))
    assert found.count("0.123") == found.count("0.543") == 8
    assert {"class_0", "class_7"} <= set(found)
    text = " ".join(found)
    assert "10 000 000" in text and "1 000 " in text


@pytest.mark.parametrize("width", WIDTHS)
def test_text_wraps_between_words(width):
    table = TerminalTable(["rule", "", "what was found", "what to do"], title="what /perception publishes", figures=False)
    table.add_row("rate of the camera", Text("broken", "bold red"), "0.31 Hz of 30.00 Hz are heard", "set the reliability to best effort")
    lines = printed(table, width)
    assert max(map(cell_len, lines)) <= width
    found = words(lines)
    for word in "rule rate camera broken 0.31 Hz 30.00 heard reliability effort".split():
        assert word in found or (word == "rule" and width == 20)  # a list has the names of rows, not that of their column


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("figures", [True, False])
def test_markup_is_text(width, figures):
    table = TerminalTable(["[b]name", "[/i]"], title="[/b]", caption="[red]", figures=figures)
    table.add_row("[/b]cup", "[1]")
    text = "".join(printed(table, width))
    assert all(part in text for part in ("[/b]cup", "[1]", "[red]"))


def test_a_terminal_narrower_than_a_figure_does_not_lose_it():
    table = TerminalTable(["", "value"])
    table.add_row("frames", "123456789012")
    assert "123456789012" in "".join(printed(table, 5)).replace(" ", "")
    assert "123456789012" in words(printed(table, 12))


def test_without_a_header_only_cells_are_shown():
    table = TerminalTable(["", ""], figures=False, header=False)
    table.add_row("images", "1200 in 40 groups")
    for width in WIDTHS:
        assert words(printed(table, width)) == ["images", "1200", "in", "40", "groups"]


def test_a_row_has_a_cell_for_each_column():
    with pytest.raises(ValueError, match="1 cells, expected 2"):
        TerminalTable(["", "a"]).add_row("x")
