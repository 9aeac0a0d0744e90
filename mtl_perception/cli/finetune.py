# SPDX-License-Identifier: Apache-2.0
"""The sub-command that teaches a trained network more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtl_perception.cli.command_line import Device, errors_in_one_line

app = typer.Typer()

_HOW = "How it is trained"


@app.command()
def finetune(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a .safetensors file.")],
    data: Annotated[list[Path], typer.Argument(help="Folders of labelled pictures (docs/data.md); 'import' makes them of other formats.")],
    out: Annotated[Path, typer.Option(help="The new model.")] = Path("out/finetuned.safetensors"),
    replay: Annotated[
        list[Path] | None, typer.Option(help="A data folder that shows what the model has learned from; several are possible.")
    ] = None,
    validation: Annotated[list[Path] | None, typer.Option(help="A folder to score on; a part of DATA if not given.")] = None,
    classes: Annotated[str | None, typer.Option(help="Classes of DATA to learn, with commas; all if not given.")] = None,
    tasks: Annotated[str | None, typer.Option(help="New tasks to learn, with commas; all that DATA are labelled for if not given.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Time to train; 8 if not given.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Instead of a time: the same result every time.")] = None,
    freeze: Annotated[
        str | None, typer.Option(help="Parts that stay as they are, with commas: encoder, neck, lateral, or a task.", rich_help_panel=_HOW)
    ] = None,
    rates: Annotated[
        str | None, typer.Option(metavar="PART=FACTOR,…", help="Factors of the learning rate by part.", rich_help_panel=_HOW)
    ] = None,
    learning_rate: Annotated[float, typer.Option(min=0, rich_help_panel=_HOW)] = 1e-3,
    batch_size: Annotated[int, typer.Option(min=2, rich_help_panel=_HOW)] = 16,
    width: Annotated[int | None, typer.Option(help="Of the input; the model's own if not given.", rich_help_panel=_HOW)] = None,
    height: Annotated[int | None, typer.Option(help="Of the input.", rich_help_panel=_HOW)] = None,
    distillation: Annotated[
        float, typer.Option(min=0, help="Weight of what the model said before; 0 lets it forget.", rich_help_panel=_HOW)
    ] = 1.0,
    patience: Annotated[
        int, typer.Option(min=0, help="End after so many validations that are not better; 0: never.", rich_help_panel=_HOW)
    ] = 3,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that read pictures.", rich_help_panel=_HOW)] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Of a CPU.", rich_help_panel=_HOW)] = None,
    seed: Annotated[int, typer.Option(min=0, rich_help_panel=_HOW)] = 0,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew where an earlier run could go on.")] = False,
) -> None:
    """Teach a model new classes and tasks while it keeps the old ones (docs/finetune.md); an interrupted run goes on."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.training.finetune_command import FinetuneOptions
        from mtl_perception.training.finetune_command import finetune as finetune_model

        if minutes is not None and steps is not None:
            raise ValueError("give one of --minutes and --steps")
        options = FinetuneOptions(
            out=out,
            replay=replay or [],
            validation=validation or [],
            classes=_names(classes),
            tasks=_names(tasks),
            minutes=minutes,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            freeze=_names(freeze) or [],
            rates=_factors(rates),
            distillation=distillation,
            patience=patience or None,
            width=width,
            height=height,
            device=device,
            workers=workers,
            threads=threads,
            seed=seed,
        )
        finetune_model(model, data, options, Terminal(), restart)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _factors(text: str | None) -> dict[str, float]:
    found = {}
    for pair in _names(text) or []:
        part, equals, factor = pair.partition("=")
        try:
            found[part.strip()] = float(factor)
        except ValueError:
            raise ValueError(f"--rates: '{pair}' is no PART=FACTOR, such as encoder=0.1") from None
        if not equals:
            raise ValueError(f"--rates: '{pair}' is no PART=FACTOR, such as encoder=0.1")
    return found
