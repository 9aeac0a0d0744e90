# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception compare``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mtl_perception.core.files import write_atomically
from mtl_perception.evaluation.compare import Comparison, compare, comparison_rows
from mtl_perception.evaluation.results import read_result
from mtl_perception.evaluation.results_page import comparison_parts
from mtl_perception.reporting.tables import terminal


def compare_files(
    paths: Sequence[Path], set_name: str | None, json_file: Path | None, markdown: Path | None, console: Console
) -> Comparison:
    """Compare the networks whose scores are in ``paths``: a table to ``console``, JSON and Markdown to files.

    Raises:
        ResultError: a file can't be used, or there is nothing to compare.
        OSError: a file can't be written.
    """
    comparison = compare([read_result(path) for path in paths], set_name)
    title = f"{comparison.encoder} on {comparison.set_name}, {comparison.frames} frames"
    caption = "in brackets and as Δm: better (+) or worse (−) than single-task, by mAP, mIoU and RMSE"
    console.print(terminal(comparison_rows(comparison), title, caption))
    for remark in comparison.remarks:
        console.print(remark, highlight=False)
    if json_file is not None:
        write_atomically(json_file, (json.dumps(comparison.plain(), indent=2) + "\n").encode())
    if markdown is not None:
        write_atomically(markdown, ("\n\n".join(comparison_parts(comparison)) + "\n").encode())
    return comparison
