# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception benchmark-page``: results of one or more machines as a page with charts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mtl_perception.benchmark.machine import installed
from mtl_perception.benchmark.markdown import chapter
from mtl_perception.benchmark.result import Report, load_report
from mtl_perception.benchmark.settings import BenchmarkError
from mtl_perception.core.files import read_text, write_atomically

INTRODUCTION = "introduction.md"


def write_docs_page(folder: Path, page: Path, console: Console) -> None:
    """Write ``page`` from every result (``*.json``) of ``folder``, and charts beside the results.

    ``introduction.md`` of the folder stands on top.

    Raises:
        BenchmarkError: there is no result, or one can't be used.
        OSError: the page can't be written.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise BenchmarkError(f"{folder} holds no .json file; expected results that benchmark wrote")
    introduction = folder / INTRODUCTION
    words = read_text(introduction).strip() if introduction.is_file() else "# Benchmarks"
    note = f"<!-- Written by `mtl-perception benchmark-page {folder} --out {page}`: change the results or {INTRODUCTION} there. -->"
    write_page(page, paths, console, words, note)


def write_page(page: Path, paths: Sequence[Path], console: Console, introduction: str = "# Benchmark", note: str = "") -> None:
    """Write ``page`` about these results, and charts beside each of them.

    Raises:
        BenchmarkError: a result can't be used.
        OSError: the page can't be written.
    """
    parts = [introduction]
    for path in paths:
        report = load_report(path)
        charts = _charts(path, report, console)
        links = {section: os.path.relpath(chart, page.parent) for section, chart in charts.items()}
        parts += chapter(report, links)
    write_atomically(page, ("\n\n".join(filter(None, [*parts, note])) + "\n").encode())


def _charts(path: Path, report: Report, console: Console) -> dict[str, Path]:
    if installed("matplotlib") is None:
        console.print("no charts: matplotlib is not installed; pip install 'mtl-perception[benchmark]'")
        return {}
    from mtl_perception.benchmark.charts import write_charts

    return write_charts(path.parent, path.stem, report)
