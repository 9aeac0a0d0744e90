# SPDX-License-Identifier: Apache-2.0
"""SVG by hand. Colours are CSS variables of the page, so that charts follow its light and dark look."""

from __future__ import annotations

from html import escape

WIDTH = 960
"""Of every chart, in its own units; the page scales it."""


def svg(height: float, title: str, parts: list[str], width: float = WIDTH) -> str:
    """A whole chart. ``title`` is for those who can't see it; one that is narrower than the page stays so."""
    inside = "".join(parts)
    limit = f' style="max-width: {width:.0f}px"' if width < WIDTH else ""
    return f'<svg viewBox="0 0 {width:.0f} {height:.0f}"{limit} role="img" aria-label="{escape(title)}">{inside}</svg>'


def text(x: float, y: float, words: str, style: str, anchor: str = "start") -> str:
    """Words with their baseline at ``y``; ``style`` is a class: label or dim."""
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def line(style: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A straight line; ``style`` is a class: grid, mark or dropped."""
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
