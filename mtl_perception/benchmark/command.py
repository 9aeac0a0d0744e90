# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception benchmark``: measure, then show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import torch
from rich.console import Console

from mtl_perception.benchmark.machine import usable_cores
from mtl_perception.benchmark.markdown import ratio_cells
from mtl_perception.benchmark.networks import check_backend
from mtl_perception.benchmark.page import write_page
from mtl_perception.benchmark.result import Report
from mtl_perception.benchmark.runner import run
from mtl_perception.benchmark.settings import Settings, check_sections, parse_size
from mtl_perception.core.interrupts import raised
from mtl_perception.core.resources import find_model
from mtl_perception.core.terminal_table import TerminalTable
from mtl_perception.inference.device import resolve_device, resolve_precision
from mtl_perception.model.checkpoint import read_card
from mtl_perception.reporting.tables import terminal

RESULT, PAGE = "benchmark.json", "benchmark.md"


def make_settings(quick: bool, size: str, **chosen: Any) -> Settings:
    """Settings from the command line; what was not given there is None, and as always then.

    Raises:
        ValueError: one of them can't be used; nothing was measured yet.
    """
    given = {name: value for name, value in chosen.items() if value is not None}
    make = Settings.quick if quick else Settings
    settings = make(**{"threads": usable_cores(), "size": parse_size(size), **given})
    resolve_precision(settings.precision, resolve_device(settings.device)[0])
    read_card(find_model(settings.model))
    check_backend(settings.backend)
    return settings


def benchmark(settings: Settings, only: list[str], out: Path, restart: bool, remark: str, console: Console) -> bool:
    """Measure into ``out``/benchmark.json, and write benchmark.md and charts beside it; true if a part failed.

    After Ctrl-C the parts that were done are there, and the page shows them.

    Raises:
        ValueError: a section is not known, or ``out`` holds another benchmark.
        OSError: something can't be written.
    """
    sections = check_sections(only)
    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(settings.threads)
    path = out / RESULT
    try:
        with raised():
            report = run(path, settings, sections, restart, remark, console)
    finally:
        if path.is_file():
            write_page(out / PAGE, [path], console)
            console.print(f"{out / PAGE}, {path}", highlight=False)
    console.print(ratio_table(report))
    for what, reason in report.missing.items():
        console.print(f"not measured: {what}: {reason}", highlight=False, markup=False)
    return any(reason.startswith("failed") for reason in report.missing.values())


def ratio_table(report: Report) -> TerminalTable:
    """All ratios, for the terminal."""
    ratios = [one for parts in report.parts.values() for part in parts.values() for one in part.ratios]
    rows = [["", "median", "quartiles", "of minima"], *([one.name, *ratio_cells(one)] for one in ratios)]
    return terminal(rows, "one contender in times of another")
