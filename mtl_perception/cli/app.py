# SPDX-License-Identifier: Apache-2.0
"""The command ``mtl-perception``. Sub-commands import what they need, so that ``--help`` answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mtl_perception.cli import autolabel, benchmark, consumers, exchange, finetune, label, rendering, report, scores
from mtl_perception.cli.command_line import (
    CameraInfo,
    Device,
    Image,
    Model,
    ParamsFile,
    Precision,
    RayAddress,
    Workers,
    errors_in_one_line,
    spread,
)
from mtl_perception.ros.environment import require_ros, tuned_environment

app = typer.Typer(
    name="mtl-perception",
    help="Detections, semantic segmentation and metric depth from one network, as a ROS 2 node.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(rendering.app)
app.add_typer(scores.app)
app.add_typer(report.app, name="report")
app.add_typer(consumers.app)
app.add_typer(benchmark.app)
app.add_typer(exchange.app)
app.add_typer(finetune.app)
app.add_typer(autolabel.app)
app.add_typer(label.app)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="A shipped model's name, or a .safetensors file.")] = None,
    params_file: ParamsFile = None,
) -> None:
    """Start the node. Further arguments, such as --ros-args -r ~/image:=/camera/image_raw, go to ROS."""
    from mtl_perception.core.resources import find_model, resource

    with errors_in_one_line():
        require_ros()
        arguments = ["--ros-args", "--params-file", str(params_file or resource("config/robot.yaml"))]
        if model is not None:
            arguments += ["-p", f"model:='{find_model(model)}'"]
        command = [sys.executable, "-m", "mtl_perception.ros.main", *arguments, "--", *context.args]
        # malloc reads its settings when a process starts.
        os.execvpe(command[0], command, tuned_environment())


@app.command()
def predict(
    source: Annotated[str, typer.Argument(help="An image, a folder, a glob pattern, a video, a camera's index, a stream's URL, or a bag.")],
    out: Annotated[Path, typer.Option(help="Output folder.")] = Path("out/predict"),
    model: Model = "lite",
    device: Device = "auto",
    precision: Precision = "auto",
    score: Annotated[float | None, typer.Option(min=0, max=1, help="Score threshold of detections; default: the node's.")] = None,
    fov: Annotated[float | None, typer.Option(help="Horizontal field of view of the camera, degrees.")] = None,
    focal: Annotated[float | None, typer.Option(help="Focal length of the camera, in pixels of these images.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Show the overlays in a window; q quits.")] = False,
    points: Annotated[bool, typer.Option("--points", help="Also write point clouds (PLY), if the camera's intrinsics are known.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many images.")] = None,
    workers: Workers = 1,
    ray: RayAddress = None,
    image: Image = None,
    camera_info: CameraInfo = None,
) -> None:
    """Run the network on images or video, without ROS: overlays, detections, masks, depth."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.core.sole_writer import sole_writer
        from mtl_perception.pipeline import PipelineOptions
        from mtl_perception.prediction.command import CameraOptions, predict_source
        from mtl_perception.prediction.files import IMAGE_FOLDERS
        from mtl_perception.prediction.predictor import Predictor
        from mtl_perception.prediction.sources import open_source
        from mtl_perception.prediction.window import Window

        known = CameraOptions(focal, fov)
        pictures = open_source(source, image, camera_info, [out / kind for kind in IMAGE_FOLDERS])
        options = PipelineOptions() if score is None else PipelineOptions(score_threshold=score)
        window = Window(source) if show else None
        predictor = Predictor(model, device, precision, options)
        with sole_writer(out):
            predict_source(pictures, predictor, out, Terminal(stderr=True), known, points, limit, spread(workers, ray), window)


@app.command()
def replay(
    bag: Annotated[Path, typer.Argument(help="A rosbag2 folder, or a .mcap or .db3 file.")],
    out: Annotated[Path, typer.Option(help="Folder of the new bag.")],
    offline: Annotated[bool, typer.Option("--offline", help="Without DDS and clock: every frame, reproducibly.")] = False,
    model: Model = "lite",
    device: Device = "auto",
    precision: Precision = "auto",
    params_file: ParamsFile = None,
    rate: Annotated[float, typer.Option(min=0.01, help="Playback speed; not with --offline.")] = 1.0,
    image: Image = None,
    camera_info: CameraInfo = None,
    depth: Annotated[
        str | None, typer.Option(help="Topic of measured depth, or none; default: the one that is registered to the camera.")
    ] = None,
    depth_source: Annotated[
        str | None, typer.Option(help="network, camera or fused, instead of depth.source of the parameter file.")
    ] = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Also record the overlay.")] = False,
) -> None:
    """Play a bag through the node, its depth camera too, and record its outputs."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        require_ros()
        os.environ.update(tuned_environment())
        from mtl_perception.ros.replay.replay import replay_bag, report_table

        console = Terminal(stderr=True)
        report = replay_bag(
            bag,
            out,
            offline=offline,
            model=model,
            device=device,
            precision=precision,
            params_file=params_file,
            rate=rate,
            image=image,
            camera_info=camera_info,
            depth=depth,
            depth_source=depth_source,
            overlay=overlay,
            console=console,
        )
        Terminal().print(report_table(report))
    if report.interrupted:
        typer.echo(f"interrupted; what was recorded until then is in {out}", err=True)
        raise typer.Exit(130)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Output folder; the results of an earlier demo are replaced.")] = Path("out/demo"),
    bag: Annotated[Path | None, typer.Option(help="A bag; default: the shipped drives.")] = None,
    depth_bag: Annotated[
        Path | None, typer.Option(help="A bag with a depth camera and true depth, to compare the network's depth with fused depth.")
    ] = None,
    model: Model = "lite",
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Replay the shipped drives, one with a depth camera, and write images, a video and a report."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        require_ros()
        os.environ.update(tuned_environment())
        from mtl_perception.core.resources import resource
        from mtl_perception.demo.run import run_demo

        run_demo(
            bag or resource("bags/demo"),
            out,
            model=model,
            device=device,
            precision=precision,
            console=Terminal(),
            depth_bag=depth_bag or (resource("bags/depth") if bag is None else None),
        )


@app.command()
def check(
    data: Annotated[Path, typer.Argument(help="A folder of labelled images, see docs/data.md.")],
    show_all: Annotated[bool, typer.Option("--all", help="List every problem, not only the first of each kind.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write an HTML page about the data set, with images.")] = None,
    against: Annotated[list[Path] | None, typer.Option(help="For --html: a folder of another split; images in both are shown.")] = None,
    model: Annotated[str | None, typer.Option(help="For --html: show labels that this model strongly disagrees with.")] = None,
    device: Device = "auto",
) -> None:
    """Check a data set for broken files and labels."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.data.check_command import check as check_data

        if html is None and (against or model):
            raise ValueError("--against and --model are for the page; say where with --html PAGE")
        fine = check_data(data, Terminal(), show_all)
        if html is not None and fine:
            from mtl_perception.evaluation.data_card.command import write_page

            write_page(data, html, against or [], model, device, Terminal())
    if not fine:
        raise typer.Exit(1)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="A YAML file, such as those in config/train/.")],
    restart: Annotated[bool, typer.Option("--restart", help="Start over instead of resuming an earlier run.")] = False,
) -> None:
    """Train a network; an interrupted run resumes."""
    with errors_in_one_line():
        from mtl_perception.training import read_config
        from mtl_perception.training import train as train_network

        train_network(read_config(config), restart=restart)
