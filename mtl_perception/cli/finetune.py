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
    data: Annotated[list[Path], typer.Argument(help="Folders of labelled images (docs/data.md); 'import' converts other formats.")],
    out: Annotated[Path, typer.Option(help="The new model.")] = Path("out/finetuned.safetensors"),
    replay: Annotated[list[Path] | None, typer.Option(help="A data folder like the model's training data; repeatable.")] = None,
    validation: Annotated[list[Path] | None, typer.Option(help="A data folder to validate on; default: a part of DATA.")] = None,
    classes: Annotated[str | None, typer.Option(help="Classes of DATA to learn, comma-separated; default: all.")] = None,
    tasks: Annotated[str | None, typer.Option(help="New tasks to learn, comma-separated; default: all that DATA has labels for.")] = None,
    branch: Annotated[
        bool | None,
        typer.Option(
            "--branch/--no-branch",
            help="Train a branch of its own for new detection classes; the rest stays bit for bit. Default: if DATA has no other labels.",
        ),
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Training time; default: 8.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps instead of minutes, for reproducible results.")] = None,
    freeze: Annotated[
        str | None, typer.Option(help="Parts to freeze, comma-separated: encoder, lead, neck, lateral, or a task.", rich_help_panel=_HOW)
    ] = None,
    rates: Annotated[str | None, typer.Option(metavar="PART=FACTOR,…", help="Learning rate factors by part.", rich_help_panel=_HOW)] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="Default: 1e-3, of a branch 3e-3.", rich_help_panel=_HOW)] = None,
    batch_size: Annotated[int, typer.Option(min=2, rich_help_panel=_HOW)] = 16,
    width: Annotated[int | None, typer.Option(help="Width of the network input; default: the model's.", rich_help_panel=_HOW)] = None,
    height: Annotated[int | None, typer.Option(help="Height of the network input.", rich_help_panel=_HOW)] = None,
    distillation: Annotated[
        float, typer.Option(min=0, help="Weight of the distillation loss that keeps old classes and tasks; 0: none.", rich_help_panel=_HOW)
    ] = 1.0,
    patience: Annotated[
        int,
        typer.Option(
            min=0, help="Early stopping: validations without improvement; 0: never stop early, as a branch.", rich_help_panel=_HOW
        ),
    ] = 3,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Data loading processes.", rich_help_panel=_HOW)] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.", rich_help_panel=_HOW)] = None,
    seed: Annotated[int, typer.Option(min=0, rich_help_panel=_HOW)] = 0,
    restart: Annotated[bool, typer.Option("--restart", help="Start over instead of resuming an earlier run.")] = False,
) -> None:
    """Fine-tune a model on new classes and tasks while it keeps the old ones (docs/finetune.md); an interrupted run resumes."""
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
            branch=branch,
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


@app.command()
def interpolate(
    start: Annotated[str, typer.Argument(help="The model that was fine-tuned: a shipped model's name, or a .safetensors file.")],
    tuned: Annotated[str, typer.Argument(help="The model that was trained from it.")],
    out: Annotated[Path, typer.Option(help="The new model.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the fine-tuned weights: 0 is the start, 1 the fine-tuned model.")] = 0.7,
) -> None:
    """Average the weights of a model and its fine-tuned version: often better on old data than the one, on new than the other."""
    with errors_in_one_line():
        from mtl_perception.training.interpolation import interpolate as interpolate_models

        interpolate_models(Path(start), Path(tuned), share, out)
        typer.echo(f"wrote {out}: score it on old and new data (mtl-perception evaluate)")


@app.command()
def compose(
    start: Annotated[str, typer.Argument(help="A model with the encoder yolox_nano: a shipped model's name, or a .safetensors file.")],
    out: Annotated[Path, typer.Option(help="The new model.")],
    weights: Annotated[str, typer.Option(help="Of the second encoder: imagenet, or a file.")] = "imagenet",
) -> None:
    """Put a second encoder beside a model's own without changing its answers, to train it further as a larger network."""
    with errors_in_one_line():
        from mtl_perception.training.composing import compose as compose_model

        card = compose_model(Path(start), out, weights)
        typer.echo(
            f"wrote {out}: encoder {card.architecture.encoder}, with {card.training['composed']['encoder_weights']}; train it further"
        )


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
