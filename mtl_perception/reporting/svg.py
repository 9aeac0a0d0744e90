# SPDX-License-Identifier: Apache-2.0
"""SVG by hand. Colours are CSS variables of the page, so that charts follow its light and dark look."""

from __future__ import annotations

from html import escape
from pathlib import Path

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


def standalone(chart: str) -> str:
    """A chart of ``svg`` as a file of its own, in the look of the pages and with some room around it."""
    margin = 16
    _, _, width, height = chart.split('viewBox="', 1)[1].split('"', 1)[0].split()
    width, height = int(width) + 2 * margin, int(height) + 2 * margin
    style = Path(__file__).with_name("chart.css").read_text(encoding="utf-8")
    inside = chart.split(">", 1)[1]
    label = chart.split('aria-label="', 1)[1].split('"', 1)[0]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-margin} {-margin} {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{label}" font-family="system-ui, -apple-system, Segoe UI, Helvetica Neue, Arial, sans-serif">\n'
        f"<style>\n{style}</style>\n"
        f'<rect x="{-margin}" y="{-margin}" width="{width}" height="{height}" fill="var(--paper)"/>\n{inside}\n'
    )
