# SPDX-License-Identifier: Apache-2.0
"""The sub-commands that score models, and that show and compare scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtl_perception.cli.command_line import CameraInfo, Device, Image, Precision, RayAddress, Workers, errors_in_one_line, spread

app = typer.Typer()


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a .safetensors file.")],
    data: Annotated[
        list[str],
        typer.Argument(help="Data folders or bags with ground truth, as PATH or NAME=PATH; the first is the reference of the others."),
    ],
    report: Annotated[Path | None, typer.Option(help="Folder for index.html and scores.json; default: out/evaluate/MODEL.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the scores here.")] = None,
    device: Device = "auto",
    precision: Precision = "float32",
    backend: Annotated[str, typer.Option(help="torch or openvino; an exported file determines its own.")] = "torch",
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many images of each data set, evenly spaced.")] = None,
    workers: Workers = 1,
    ray: RayAddress = None,
    image: Image = None,
    camera_info: CameraInfo = None,
) -> None:
    """Evaluate a model: mAP, mIoU, depth errors; tables, JSON and an HTML report."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.evaluation.command import Options, evaluate_model

        options = Options(report, json_file, device, precision, backend, limit, image, camera_info, spread(workers, ray))
        evaluate_model(model, data, options, Terminal())


@app.command()
def compare(
    scores: Annotated[list[Path], typer.Argument(help="JSON files that evaluate wrote, of multi-task and single-task networks.")],
    set_name: Annotated[str | None, typer.Option("--set", help="The data set to compare on; default: the first that all have.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the comparison here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write the table here, as Markdown.")] = None,
) -> None:
    """Compare multi-task with single-task networks: every metric, Δm and costs."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.evaluation.compare_command import compare_files

        compare_files(scores, set_name, json_file, markdown, Terminal())


@app.command()
def results(
    folder: Annotated[Path, typer.Argument(help="Folder of JSON files that evaluate wrote.")],
    out: Annotated[Path, typer.Option(help="The Markdown page.")] = Path("results.md"),
) -> None:
    """Write a page of results from the scores of several models."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.evaluation.results_page import write_results_page

        write_results_page(folder, out, Terminal())


@app.command()
def card(
    model: Annotated[Path, typer.Argument(help="A .safetensors file.")],
    scores: Annotated[Path, typer.Argument(help="The JSON file that evaluate wrote for it.")],
    out: Annotated[Path | None, typer.Option(help="The Markdown page; default: beside the model.")] = None,
    limits: Annotated[str | None, typer.Option(help="Known limitations; default: unchanged.")] = None,
) -> None:
    """Put scores into a model card and write the card as a page."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.evaluation.card import write_card

        write_card(model, scores, out, limits, Terminal())


@app.command()
def info(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a .safetensors file.")],
) -> None:
    """Show a model card: tasks, labels, training, scores."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.core.resources import find_model
        from mtl_perception.model.checkpoint import read_card

        Terminal().print_json(read_card(find_model(model)).model_dump_json())
