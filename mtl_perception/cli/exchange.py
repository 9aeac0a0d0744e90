# SPDX-License-Identifier: Apache-2.0
"""Sub-commands that bring data sets in from other formats, and data sets and models out into others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtl_perception.cli.command_line import RayAddress, Workers, errors_in_one_line, spread

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer()

_MODEL, _DATA = "For a model", "For a data set"

FileFormat = Annotated[str, typer.Option("--format", help="onnx, torch-export or tensorrt.")]
ModelPrecision = Annotated[str | None, typer.Option("--precision", help="float32, float16 or int8.", rich_help_panel=_MODEL)]
Width = Annotated[int | None, typer.Option(help="Width of the camera images; default: the network's input.", rich_help_panel=_MODEL)]
Height = Annotated[int | None, typer.Option(help="Height of the camera images.", rich_help_panel=_MODEL)]
InputWidth = Annotated[int | None, typer.Option(help="What the network sees at most; a multiple of 32.", rich_help_panel=_MODEL)]
InputHeight = Annotated[int | None, typer.Option(help="What the network sees at most; a multiple of 32.", rich_help_panel=_MODEL)]
Batch = Annotated[int | None, typer.Option(help="Batch size: the number of cameras that share the file.", rich_help_panel=_MODEL)]
Tasks = Annotated[str | None, typer.Option(help="Heads to export, comma-separated; default: all.", rich_help_panel=_MODEL)]
Calibration = Annotated[Path | None, typer.Option(help="For int8: a data folder for calibration.", rich_help_panel=_MODEL)]


@app.command("import")
def import_(
    source_format: Annotated[str, typer.Argument(metavar="FORMAT", help="coco, yolo, voc, labelme, cvat …, or auto; 'formats' lists all.")],
    source: Annotated[Path | None, typer.Argument(help="A folder, a file or a .zip of that format.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the new data set; an interrupted run resumes.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the format (docs/import.md).")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="YAML file that renames, merges and drops classes.")] = None,
    recipe: Annotated[str | None, typer.Option(help="The recipe of a public data set: class map, groups, licence.")] = None,
    tasks: Annotated[str | None, typer.Option(help="detection, segmentation, depth, classification, lanes; comma-separated.")] = None,
    exhaustive: Annotated[
        str | None, typer.Option(help="Classes that are labelled exhaustively, comma-separated; the others count as unlabelled.")
    ] = None,
    group: Annotated[
        str, typer.Option(help="Images that a split keeps together, by source, file, folder, or a regular expression on names.")
    ] = "source",
    split: Annotated[str | None, typer.Option(help="val=0.1,test=0.1: folders OUT/train, OUT/val …; own: the source's split.")] = None,
    duplicates: Annotated[str, typer.Option(help="group: in the same split; drop: exact copies are removed; keep.")] = "group",
    camera: Annotated[str | None, typer.Option(metavar="FX,FY,CX,CY", help="Intrinsics for images that come without.")] = None,
    rescale: Annotated[bool, typer.Option("--rescale", help="Rescale labels that were made for another image size.")] = False,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Skip unusable images and list them.")] = False,
    seed: Annotated[int, typer.Option(help="Random seed of the split.")] = 0,
    workers: Workers = 1,
    ray: RayAddress = None,
) -> None:
    """Convert a data set from another format (docs/import.md)."""
    from mtl_perception.core.terminal import Terminal

    console = Terminal()
    with errors_in_one_line(), import_extra():
        from mtl_perception.core.sole_writer import sole_writer
        from mtl_perception.data.importers.command import import_command, list_formats

        if source_format == "formats":
            list_formats(console)
            return
        if source is None or out is None:
            raise ValueError(f"import {source_format} needs a SOURCE and --out DIR")
        values = {
            "options": settings or [], "classes": classes, "recipe": recipe, "tasks": tasks, "exhaustive": exhaustive,
            "group": group, "split": split, "duplicates": duplicates, "camera": camera, "rescale": rescale,
            "skip_broken": skip_broken, "seed": seed,
        }  # fmt: skip
        with sole_writer(out), pictures_bar(console) as (on_start, on_pictures):
            show = import_command(source_format, source, out, values, spread(workers, ray), on_start, on_pictures, say_kept(console))
        show(console)


@app.command()
def export(
    what: Annotated[
        str,
        typer.Argument(metavar="MODEL|DATA", help="A shipped model's name or a .safetensors file; or a data folder (with dataset.json)."),
    ],
    file_format: Annotated[
        str | None, typer.Option("--format", help="For a model: onnx, torch-export or tensorrt. For a data set: coco, yolo, voc …")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The new file (default: ./NAME.onnx), or for a data set the new folder.")] = None,
    precision: ModelPrecision = None,
    width: Width = None,
    height: Height = None,
    input_width: InputWidth = None,
    input_height: InputHeight = None,
    batch: Batch = None,
    tasks: Tasks = None,
    calibration: Calibration = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", rich_help_panel=_DATA)] = None,
) -> None:
    """Export a model (as export-model does), or a data folder to another format."""
    with errors_in_one_line():
        of_models = {
            "precision": precision, "width": width, "height": height, "input-width": input_width, "input-height": input_height,
            "batch": batch, "tasks": tasks, "calibration": calibration,
        }  # fmt: skip
        if not Path(what).is_dir():
            if workers is not None:
                raise ValueError(f"--workers is for data sets, and {what} is no folder")
            _export_model(what, file_format or "onnx", out, **{name.replace("-", "_"): value for name, value in of_models.items()})
            return
        given = [f"--{name}" for name, value in of_models.items() if value is not None]
        if given:
            raise ValueError(f"{', '.join(given)}: for models alone, and {what} is a folder")
        _export_data(Path(what), file_format, out, workers or 1)


@app.command()
def export_model(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a .safetensors file.")],
    file_format: FileFormat = "onnx",
    out: Annotated[Path | None, typer.Option(help="The new file; default: ./NAME.onnx.")] = None,
    precision: ModelPrecision = None,
    width: Width = None,
    height: Height = None,
    input_width: InputWidth = None,
    input_height: InputHeight = None,
    batch: Batch = None,
    tasks: Tasks = None,
    calibration: Calibration = None,
) -> None:
    """Export a model as one file, from the camera's uint8 image to boxes, mask and metric depth."""
    with errors_in_one_line():
        _export_model(model, file_format, out, precision, width, height, input_width, input_height, batch, tasks, calibration)


def _export_model(
    model: str,
    file_format: str,
    out: Path | None,
    precision: str | None,
    width: int | None,
    height: int | None,
    input_width: int | None,
    input_height: int | None,
    batch: int | None,
    tasks: str | None,
    calibration: Path | None,
) -> None:
    from mtl_perception.core.resources import find_model
    from mtl_perception.core.terminal import Terminal
    from mtl_perception.inference.export.run import ExportSettings
    from mtl_perception.inference.export.run import export as export_file
    from mtl_perception.inference.export.table import parity_table

    console = Terminal()
    precision, batch = precision or "float32", 1 if batch is None else batch
    names = None if tasks is None else [name.strip() for name in tasks.split(",")]
    settings = ExportSettings(file_format, precision, width, height, input_width, input_height, batch, names, calibration)
    with console.status(f"exporting {model} ({file_format}, {precision}); this takes about half a minute"):
        report = export_file(find_model(model), out, settings)
    if report.differences:
        console.print(parity_table(report.differences))
    console.print(f"{report.path}: {report.path.stat().st_size / 1e6:.1f} MB")


def _export_data(data: Path, file_format: str | None, out: Path | None, workers: int) -> None:
    from mtl_perception.core.terminal import Terminal

    with import_extra():
        from mtl_perception.data.exporters.registry import FORMATS
        from mtl_perception.data.exporters.run import export_data

    console = Terminal()
    if not (data / "dataset.json").is_file():
        raise ValueError(
            f"{data} is a folder without dataset.json: neither a model nor a data set of this project; "
            "'mtl-perception import' makes one of other formats"
        )
    if file_format is None or out is None:
        names = ", ".join(entry.name for entry in FORMATS)
        raise ValueError(f"export of the data set {data} needs --format (one of {names}) and --out DIR")
    with pictures_bar(console) as (on_start, on_pictures):
        done = export_data(data, out, file_format, workers, on_start, on_pictures)
    for line in done.lost:
        console.print(f"  not in {done.format}: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{done.out}: {done.images} pictures as {done.format}", highlight=False, soft_wrap=True)


@contextmanager
def import_extra() -> Iterator[None]:
    """A library that is missing is named with what brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mtl_perception"):
            raise
        raise ImportError(f"data sets of other formats need {error.name}: pip install 'mtl-perception[import]'") from None


def say_kept(console: Console) -> Callable[[int, int | None], None]:
    """Returns a function that prints how much of the work an earlier call has done."""
    from mtl_perception.core.unfinished import done_already

    return lambda done, total: console.print(done_already(done, total), highlight=False)


Progress = tuple[Callable[[str, int | None], None], Callable[[int], None]]


@contextmanager
def pictures_bar(console: Console) -> Iterator[Progress]:
    """A bar that is told what begins, of how many pictures, and how many more are done."""
    import time

    from rich.progress import Progress as Bar

    from mtl_perception.core.progress import columns

    with Bar(*columns(), console=console) as bar:
        task = bar.add_task("", total=None, note="")
        began = time.monotonic()

        def on_start(what: str, total: int | None) -> None:
            nonlocal began
            began = time.monotonic()
            bar.reset(task, total=total, description=what)

        def on_pictures(count: int) -> None:
            done = bar.tasks[0].completed + count
            seconds = max(time.monotonic() - began, 1e-3)
            bar.update(task, completed=done, note=f"{done / seconds:.0f} pictures/s")

        yield on_start, on_pictures
