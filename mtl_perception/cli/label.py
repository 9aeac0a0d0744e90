# SPDX-License-Identifier: Apache-2.0
"""The sub-command with which a person labels pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtl_perception.cli.command_line import Device, errors_in_one_line
from mtl_perception.cli.exchange import import_extra

app = typer.Typer()


@app.command()
def label(
    data: Annotated[Path, typer.Argument(help="A data folder (docs/data.md); a new one where there is none yet.")],
    model: Annotated[str, typer.Option(help="Whose answers are proposed, as for autolabel --teacher; none for nothing.")] = "lite",
    classes: Annotated[
        str | None, typer.Option(help="More classes of boxes, with commas; a new folder has the model's if not given.")
    ] = None,
    add: Annotated[Path | None, typer.Option(help="A folder of pictures to copy into DATA first.")] = None,
    score: Annotated[float, typer.Option(min=0, max=1, help="Least score of a box that is proposed.")] = 0.3,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
    device: Device = "auto",
) -> None:
    """Label pictures on a local page: accept, correct or delete what a network proposes (docs/label.md)."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line(), import_extra():
        from mtl_perception.prediction.labelling.run import label as serve

        names = [name.strip() for name in (classes or "").split(",") if name.strip()]
        serve(data, None if model == "none" else model, Terminal(), names, add, score, port, device, browser)
