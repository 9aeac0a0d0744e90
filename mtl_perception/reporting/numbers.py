# SPDX-License-Identifier: Apache-2.0
"""How numbers are written in tables, reports and charts: with a true minus sign, and – where there is none."""

from __future__ import annotations

import math
from typing import Any

NONE = "–"


def known(value: Any) -> bool:
    """Whether there is a number."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def fixed(value: float | None, digits: int, unit: str = "", *, signed: bool = False, sd: float | None = None) -> str:
    """0.412, 12.3 ms, +0.05 m, 0.412 ± 0.003.

    Args:
        digits: after the point.
        sd: standard deviation, to stand beside it.
    """
    if value is None or math.isnan(value):
        return NONE
    number = f"{value + 0.0:{'+' if signed else ''}.{digits}f}".replace("-", "−")
    return number + (f" {unit}" if unit else "") + ("" if sd is None else f" ± {sd:.{digits}f}")


def figure(value: float | None) -> str:
    """0.412, 28.67; whole numbers as they are, 1 234 567 in groups."""
    if not known(value):
        return NONE
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ").replace("-", "−")
    return fixed(value, 3 if abs(value) < 10 else 2)


def per_cent(share: float | None, digits: int = 0, *, signed: bool = False, sd: float | None = None) -> str:
    """Of a share: 12 %, −0.4 %, +3.2 % ± 0.2."""
    hundredths = None if share is None else 100 * share
    return fixed(hundredths, digits, "%", signed=signed, sd=None if sd is None else 100 * sd)


def change(share: float | None) -> str:
    """Of a share by which something is better or worse: +3.2 %, −0.4 %."""
    return per_cent(share, 1, signed=True)


def part(count: float, whole: float) -> str:
    """12 %; <1 % for the little that is more than nothing."""
    share = count / whole if whole else 0.0
    return "<1 %" if 0 < share < 0.005 else per_cent(share)
