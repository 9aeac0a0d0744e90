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
    data: Annotated[Path, typer.Argument(help="A data folder (docs/data.md); created if it does not exist.")],
    model: Annotated[str, typer.Option(help="The model that proposes labels, as for autolabel --teacher; none: no proposals.")] = "lite",
    classes: Annotated[
        str | None, typer.Option(help="Further detection classes, comma-separated; a new folder starts with the model's.")
    ] = None,
    add: Annotated[Path | None, typer.Option(help="A folder of images to copy into DATA first.")] = None,
    score: Annotated[float, typer.Option(min=0, max=1, help="Score threshold of proposed boxes.")] = 0.3,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    device: Device = "auto",
) -> None:
    """Label images on a local page: accept, correct or delete a network's proposals (docs/label.md)."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line(), import_extra():
        from mtl_perception.core.sole_writer import sole_writer
        from mtl_perception.prediction.labelling.run import label as serve

        names = [name.strip() for name in (classes or "").split(",") if name.strip()]
        with sole_writer(data):
            serve(data, None if model == "none" else model, Terminal(), names, add, score, port, device, browser)
