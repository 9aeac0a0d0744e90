# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception check``."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from rich.console import Console

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.progress import frame_progress
from mtl_perception.core.terminal_table import TerminalTable
from mtl_perception.data.checker import Findings, check_files
from mtl_perception.data.content import printed
from mtl_perception.data.errors import Problem
from mtl_perception.data.format import TASKS
from mtl_perception.data.index import read_index
from mtl_perception.tasks import BOXED, LABELS, MapCodec

SHOWN_OF_A_KIND = 10


def check(root: Path, console: Console, show_all: bool = False) -> bool:
    """Check the data folder ``root`` and say what it holds and what is wrong; whether it can be trained on.

    Raises:
        DataError: one of the index files is missing or can't be understood.
    """
    index = read_index(root, masks=True)
    with frame_progress(console, f"checking {root.name}", len(index.images)) as show:
        findings = check_files(index, show)
    console.print(printed(root), style="italic", markup=False, highlight=False, soft_wrap=True)
    console.print(_overview(findings))
    classes = _classes(findings)
    if classes.rows:
        console.print(classes)
    for problems in _by_kind(findings.problems).values():
        console.print(f"\n{problems[0].kind}", style="bold", highlight=False, markup=False)
        shown = problems if show_all else problems[:SHOWN_OF_A_KIND]
        for problem in shown:
            console.print(
                f"  {problem.text}",
                style="red" if problem.is_error else "yellow",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        if len(problems) > len(shown):
            console.print(f"  and {len(problems) - len(shown)} more (--all lists them)", style="dim", highlight=False)
    remarks = len(findings.problems) - findings.errors
    verdict = f"{findings.errors} error{'s' * (findings.errors != 1)}, {remarks} remark{'s' * (remarks != 1)}"
    console.print(
        f"\n{root}: {verdict}",
        style="red" if findings.errors else "green",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return not findings.errors


def _by_kind(problems: list[Problem]) -> dict[tuple[bool, str], list[Problem]]:
    """Errors first."""
    kinds: dict[tuple[bool, str], list[Problem]] = defaultdict(list)
    for problem in sorted(problems, key=lambda problem: not problem.is_error):
        kinds[problem.is_error, problem.kind].append(problem)
    return kinds


def _overview(findings: Findings) -> TerminalTable:
    images = findings.index.images
    table = TerminalTable(["", ""], figures=False, header=False)
    sizes = sorted({(image.width, image.height) for image in images})
    table.add_row("images", f"{len(images)} in {len({image.group for image in images})} groups")
    table.add_row(
        "size",
        ", ".join(f"{width}x{height}" for width, height in sizes[:4]) + (" …" if len(sizes) > 4 else ""),
    )
    table.add_row("cameras", str(len(findings.index.cameras)))
    for task in TASKS:
        if findings.labelled[task]:
            table.add_row(f"with {task}", str(findings.labelled[task]))
    if findings.index.annotations:
        masks = sum(annotation.segmentation is not None for annotation in findings.index.annotations)
        table.add_row("boxes", f"{len(findings.index.annotations)}, {masks} with a mask")
    for kind, counts in findings.counts.items():
        for row in _map_codec(kind).overview(counts):
            table.add_row(*row)
    return table


def _classes(findings: Findings) -> TerminalTable:
    """Classes of boxes and of pixels; without a row where the data have neither."""
    description, shares = findings.index.description, {}
    for kind in LABELS:
        if isinstance(codec := LABELS[kind], MapCodec):
            names = description.labels(kind)
            shares |= codec.shares(findings.counts.get(kind), names)
    table = TerminalTable(["class", "boxes", "images with boxes", "share of labelled pixels"], title="classes")
    boxed = description.labels(BOXED)
    for name in dict.fromkeys([*shares, *boxed]):
        numbers = [str(findings.boxes[name]), str(findings.boxed_images[name])] if name in boxed else ["", ""]
        table.add_row(cut(name), *numbers, f"{shares[name]:.2%}" if name in shares else "")
    return table


def _map_codec(kind: str) -> MapCodec:
    codec = LABELS[kind]
    assert isinstance(codec, MapCodec)
    return codec
