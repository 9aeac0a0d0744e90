# SPDX-License-Identifier: Apache-2.0
"""Reports as documents of a repository: Markdown, and its charts beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mtl_perception.core.files import write_atomically


def picture(name: str, chart: str, words: str) -> str:
    """The Markdown that shows the chart ``chart`` of the document ``name``."""
    return f"![{words}]({_file(name, chart)})"


def write_document(folder: Path, name: str, markdown: str, charts: Mapping[str, str]) -> None:
    """Write NAME.md and each chart as NAME_CHART.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    for chart, drawn in charts.items():
        write_atomically(folder / _file(name, chart), drawn.encode())
    write_atomically(folder / f"{name}.md", markdown.encode())


def _file(name: str, chart: str) -> str:
    return f"{name}_{chart.lower().replace(', ', '_').replace(' ', '_')}.svg"
