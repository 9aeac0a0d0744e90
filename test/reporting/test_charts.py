# SPDX-License-Identifier: Apache-2.0
"""Charts of names that others chose."""

import pytest

from mtl_perception.reporting.charts import bar_chart, heat_map, line_chart

NAMES = ["5$ or 10$", "x $\\foo$", "one $"]


@pytest.mark.parametrize(
    "svg",
    [
        lambda: bar_chart("bars", dict.fromkeys(NAMES, (1.0, None))),
        lambda: heat_map("cells", NAMES, NAMES, [[1.0, 2.0, 3.0]] * 3),
        lambda: line_chart("lines", dict.fromkeys(NAMES, [(0, 1.0), (1, 2.0)]), "x"),
    ],
)
def test_a_name_with_dollars_is_no_formula(svg) -> None:
    drawn = svg()
    assert all(f">{name}</text>" in drawn for name in NAMES)
