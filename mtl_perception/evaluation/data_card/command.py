# SPDX-License-Identifier: Apache-2.0
"""The page of ``mtl-perception check``, with a bar while it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from mtl_perception.core.progress import columns
from mtl_perception.core.resources import find_model
from mtl_perception.evaluation.data_card.page import write_data_card
from mtl_perception.inference.engine import Engine


def write_page(data: Path, page: Path, others: Sequence[Path], model: str | None, device: str, console: Console) -> None:
    """Write ``page`` about ``data``, and say how much it shows.

    Raises:
        DataError, CheckpointError, BackendError, FileNotFoundError, OSError: as ``write_data_card`` and ``Engine.load``.
    """
    engine = None if model is None else Engine.load(find_model(model), device)
    with Progress(*columns(), console=console) as bar:
        task = bar.add_task("data card", total=None, note="")
        found = write_data_card(data, page, others, engine, lambda: bar.advance(task))
    parts = [f"{found['near_duplicates']} near duplicates"] if others else []
    parts += [f"{found['doubts']} doubtful labels"] if model is not None else []
    console.print(f"{page}: {', '.join(parts) or 'classes and sizes'}", highlight=False, markup=False, soft_wrap=True)
