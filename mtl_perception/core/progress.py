# SPDX-License-Identifier: Apache-2.0
"""A progress bar for work that goes frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def columns() -> tuple[ProgressColumn, ...]:
    """Returns the columns of a progress bar: what is done, how much of it, a ``note`` (a field of the task), and for how long."""
    return (
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


@contextmanager
def frame_progress(console: Console, what: str, total: int) -> Iterator[Callable[..., None]]:
    """Show a bar of ``total`` frames; gives ``show(done, note)``."""
    with Progress(*columns(), console=console) as bar:
        task = bar.add_task(what, total=total, note="")
        yield lambda done, note="": bar.update(task, completed=done, note=note)
