# SPDX-License-Identifier: Apache-2.0
import math
import re
from pathlib import Path

import pytest

from mtl_perception.reporting.numbers import change, figure, fixed, part, per_cent

PACKAGE = Path(__file__).parents[2] / "mtl_perception"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (fixed(0.41249, 3), "0.412"),
        (fixed(-0.05, 2, "m", signed=True), "−0.05 m"),
        (fixed(0.05, 2, "m", signed=True), "+0.05 m"),
        (fixed(0.5, 3, sd=0.0123), "0.500 ± 0.012"),
        (fixed(None, 1, "ms"), "–"),
        (fixed(math.nan, 1, "ms"), "–"),
        (figure(0.41249), "0.412"),
        (figure(-28.672), "−28.67"),
        (figure(1234567), "1 234 567"),
        (figure(None), "–"),
        (per_cent(0.126), "13 %"),
        (per_cent(-0.032, 1, signed=True, sd=0.004), "−3.2 % ± 0.4"),
        (per_cent(-0.0, signed=True), "+0 %"),
        (per_cent(None), "–"),
        (change(0.032), "+3.2 %"),
        (change(-0.004), "−0.4 %"),
        (change(math.nan), "–"),
        (part(1, 1000), "<1 %"),
        (part(0, 0), "0 %"),
        (part(1, 8), "12 %"),
    ],
)
def test_numbers_in_words(written: str, expected: str) -> None:
    assert written == expected


@pytest.mark.parametrize("room", ["evaluation", "studies", "benchmark", "demo", "cli"])
def test_no_room_writes_its_own_numbers_or_tables(room: str) -> None:
    """A missing value, a true minus sign, a Markdown table's rule: only ``reporting`` makes them."""
    own = re.compile(r""""–"|replace\("-", "−"\)|"\| "|---:|"↑"|'−' if""")
    found = [
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if own.search(line)
    ]
    assert found == []
