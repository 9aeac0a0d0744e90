# SPDX-License-Identifier: Apache-2.0
"""The sub-commands that render rooms, drives and images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mtl_perception.cli.command_line import RayAddress, errors_in_one_line, spread

app = typer.Typer()


@app.command()
def render(
    out: Annotated[Path, typer.Option(help="Folder of the data set; an interrupted run resumes.")],
    rooms: Annotated[int, typer.Option(min=1, help="Number of rooms, of all kinds.")] = 500,
    views: Annotated[int, typer.Option(min=1, help="Images of each room.")] = 8,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    width: Annotated[int, typer.Option(min=32)] = 384,
    height: Annotated[int, typer.Option(min=32)] = 288,
    renderer: Annotated[str, typer.Option(help="filament, or classic (OpenGL), for cross-checks.")] = "filament",
    textures: Annotated[
        str, typer.Option(help="train; varied: half of them replaced by random patterns; unseen: those held out for tests.")
    ] = "train",
    content: Annotated[
        int, typer.Option(help="1: the rooms of the published tests; 2: more furniture, classes and cameras; 3: the same in deep rooms.")
    ] = 1,
    camera: Annotated[str, typer.Option(help="mild, or photographic: exposure, noise, sharpness and colour as in photographs.")] = "mild",
    objects: Annotated[
        Path | None, typer.Option(help="Folder of your own meshes, CLASS/*.glb, .obj, .stl …, to put into the rooms.")
    ] = None,
    object_units: Annotated[str, typer.Option(help="Unit of .obj, .stl and .ply files: m, cm, mm or in.")] = "m",
    object_up: Annotated[str | None, typer.Option(help="Up axis of the meshes, y or z; default: y for .glb, z for the others.")] = None,
    object_share: Annotated[float, typer.Option(help="Share of the small objects that are yours.")] = 0.3,
    object_views: Annotated[float, typer.Option(help="Share of the images that look at one of your objects from near by.")] = 0.5,
    workers: Annotated[int, typer.Option(min=1, help="Processes; default: one per core.")] = os.cpu_count() or 1,
    ray: RayAddress = None,
) -> None:
    """Render labelled rooms to train on."""
    with errors_in_one_line():
        from mtl_perception.simulation.dataset import DatasetSettings, render_dataset

        settings = DatasetSettings(
            rooms, views, seed, width, height, renderer, textures, content, camera,
            None if objects is None else str(objects), object_units, object_up, object_share, object_views,
        )  # fmt: skip
        render_dataset(out, settings, workers if ray is None else spread(1, ray))


@app.command()
def render_sheet(
    out: Annotated[Path, typer.Option(help="A PNG.")] = Path("docs/rooms.png"),
    seed: Annotated[int, typer.Option(min=0)] = 2,
    renderer: Annotated[str, typer.Option(help="filament or classic.")] = "filament",
    textures: Annotated[str, typer.Option(help="train, varied or unseen.")] = "train",
    content: Annotated[int, typer.Option(help="1, 2 or 3, as for render.")] = 1,
    camera: Annotated[str, typer.Option(help="mild or photographic.")] = "mild",
) -> None:
    """Draw a contact sheet of rendered rooms."""
    with errors_in_one_line():
        from mtl_perception.simulation.sheet import write_sheet

        write_sheet(out, seed, renderer, textures, content, camera)


@app.command()
def render_ultrasound(
    out: Annotated[Path, typer.Option(help="Folder of the data set.")],
    images: Annotated[int, typer.Option(help="Images, four per patient.")] = 1200,
    seed: Annotated[int, typer.Option(help="Other seeds give other patients.")] = 1,
    width: Annotated[int, typer.Option(help="Pixels.")] = 256,
    height: Annotated[int, typer.Option(help="Pixels.")] = 192,
) -> None:
    """Draw labelled synthetic ultrasound images, to try segmentation and classification on (docs/applications/medical.md)."""
    with errors_in_one_line():
        from mtl_perception.simulation.ultrasound import UltrasoundSettings, render_ultrasound

        render_ultrasound(out, UltrasoundSettings(images, seed, width, height))


@app.command()
def demo_bag(out: Annotated[Path, typer.Argument(help="Folder of the new bag.")]) -> None:
    """Render the drive of the demo."""
    with errors_in_one_line():
        from mtl_perception.simulation.demo_bag import write_demo_bag

        write_demo_bag(out)


@app.command()
def depth_bag(out: Annotated[Path, typer.Argument(help="Folder of the new bag.")]) -> None:
    """Render the demo's drive with a depth camera again."""
    with errors_in_one_line():
        from mtl_perception.simulation.depth_drive import write_depth_bag

        write_depth_bag(out)


@app.command()
def moving_bag(out: Annotated[Path, typer.Argument(help="Folder of the new bag.")]) -> None:
    """Render a drive among moving objects, to evaluate tracking."""
    with errors_in_one_line():
        from mtl_perception.simulation.moving import write_moving_bag

        write_moving_bag(out)


@app.command()
def returning_bag(out: Annotated[Path, typer.Argument(help="Folder of the new bag.")]) -> None:
    """Render a drive that returns to earlier places, to evaluate re-identification."""
    with errors_in_one_line():
        from mtl_perception.simulation.returning import write_returning_bag

        write_returning_bag(out)
