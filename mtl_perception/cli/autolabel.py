# SPDX-License-Identifier: Apache-2.0
"""The sub-command that lets networks label pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtl_perception.cli.command_line import Device, RayAddress, Workers, errors_in_one_line, spread
from mtl_perception.cli.exchange import import_extra, pictures_bar, say_kept

app = typer.Typer()


@app.command()
def autolabel(
    source: Annotated[Path, typer.Argument(help="A data folder (docs/data.md), a bag, or a folder of images.")],
    teacher: Annotated[str, typer.Option(help="A shipped model's name, a checkpoint, or a YAML file that describes an ONNX network.")],
    out: Annotated[Path, typer.Option(help="Folder of the new data set; an interrupted run resumes.")],
    tasks: Annotated[
        str | None,
        typer.Option(help="detection, segmentation, depth; comma-separated; default: the first two, if the teacher has them."),
    ] = None,
    score: Annotated[float, typer.Option(min=0, max=1, help="Score threshold of boxes; scores are weights in training.")] = 0.4,
    views: Annotated[
        int, typer.Option(min=1, help="Views that must agree on an object, where poses and depth tell that it is visible.")
    ] = 2,
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="Test-time augmentation: also predict on the mirrored image.")] = True,
    scales: Annotated[
        str, typer.Option(help="Test-time augmentation of boxes: 1.5 on enlarged tiles, .7 on the downscaled image; '' for none.")
    ] = "1.5",
    device: Device = "auto",
    workers: Workers = 1,
    ray: RayAddress = None,
) -> None:
    """Label images with a network: boxes with scores, masks, depth (docs/autolabel.md)."""
    from mtl_perception.core.terminal import Terminal

    console = Terminal()
    with errors_in_one_line(), import_extra():
        from mtl_perception.core.sole_writer import sole_writer
        from mtl_perception.prediction.autolabel.run import AutolabelOptions
        from mtl_perception.prediction.autolabel.run import autolabel as label_pictures

        wanted = None if tasks is None else [task.strip() for task in tasks.split(",") if task.strip()]
        try:
            zooms = [float(scale) for scale in scales.split(",") if scale.strip()]
        except ValueError:
            raise ValueError(f"--scales: '{scales}' are no numbers with commas, such as 0.7,1.5") from None
        options = AutolabelOptions(wanted, score, views, flip, zooms)
        with sole_writer(out), pictures_bar(console) as (on_start, on_pictures):
            done = label_pictures(source, teacher, out, options, device, spread(workers, ray), on_start, on_pictures, say_kept(console))
        written = done.pictures - done.nothing
        console.print(f"{out}: {written} pictures, {done.boxes} boxes of the teacher", highlight=False, markup=False, soft_wrap=True)
        if done.nothing:
            console.print(
                f"  {done.nothing} pictures were left out: neither people nor the teacher label anything in them", highlight=False
            )
        if done.posed:
            console.print(
                f"  {done.posed} pictures have a pose; {done.unconfirmed} boxes were left out, which fewer than {views} views see",
                highlight=False,
            )
