# SPDX-License-Identifier: Apache-2.0
"""The sub-commands of ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtl_perception.cli.command_line import errors_in_one_line

app = typer.Typer(help="Studies of multi-task training: transfer, channels, affinity.", no_args_is_help=True)


@app.command()
def transfer(
    config: Annotated[Path, typer.Argument(help="A YAML file, such as config/transfer.yaml.")],
    seeds: Annotated[int, typer.Option(help="Seeds per setup: at least 2, and 5 for a claim.")] = 5,
    docs: Annotated[Path | None, typer.Option(help="Also write Markdown and charts into this folder.")] = None,
    training: Annotated[bool, typer.Option("--train/--no-train", help="Or only report the finished trainings.")] = True,
    jobs: Annotated[int, typer.Option(min=1, help="Networks to train in parallel.")] = 1,
) -> None:
    """Train single-task networks and multi-task setups and compare them; an interrupted run resumes."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.studies.transfer import report_transfer

        report_transfer(config, seeds, Terminal(), docs, training, jobs)


@app.command()
def channels(
    config: Annotated[Path, typer.Argument(help="A training configuration with 'start_from'.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report; default: out/channels/NAME.")] = None,
    batches: Annotated[int, typer.Option(min=1, help="Batches to measure on.")] = 2,
) -> None:
    """Measure which channels of a trained network matter to which task, for 'channel_control' in a training configuration."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.studies.channel_report import report_channels

        report_channels(config, out, batches, Terminal())


@app.command()
def affinity(
    config: Annotated[Path, typer.Argument(help="A training configuration, such as those in config/train/.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report; default: out/affinity/NAME.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Steps between measurements.")] = 50,
    batches: Annotated[int, typer.Option(min=1, help="Batches per measurement.")] = 2,
    docs: Annotated[Path | None, typer.Option(help="Also write Markdown and charts into this folder.")] = None,
) -> None:
    """Train a network, measure where the gradients of its tasks agree or conflict, and suggest groups of tasks."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.studies.affinity import report_affinity

        report_affinity(config, out, every, batches, Terminal(), docs)
