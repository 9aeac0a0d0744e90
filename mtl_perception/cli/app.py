# SPDX-License-Identifier: Apache-2.0
"""The command ``mtl-perception``. Sub-commands import what they need, so that ``--help`` answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mtl_perception.cli import autolabel, benchmark, consumers, exchange, finetune, label
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
        from mtl_perception.pipeline import PipelineOptions
        from mtl_perception.prediction.command import CameraOptions, predict_source
        from mtl_perception.prediction.predictor import Predictor
        from mtl_perception.prediction.sources import open_source
        from mtl_perception.prediction.window import Window

        pictures = open_source(source, image, camera_info)
        options = PipelineOptions() if score is None else PipelineOptions(score_threshold=score)
        window = Window(source) if show else None
        predictor = Predictor(model, device, precision, options)
        known = CameraOptions(focal, fov)
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
    workers: Annotated[int, typer.Option(min=1, help="Processes; default: one per core.")] = os.cpu_count() or 1,
    ray: RayAddress = None,
) -> None:
    """Render labelled rooms to train on."""
    with errors_in_one_line():
        from mtl_perception.simulation.dataset import DatasetSettings, render_dataset

        settings = DatasetSettings(
            rooms, views, seed, width, height, renderer, textures, content, camera,
            None if objects is None else str(objects), object_units, object_up, object_share,
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


report = typer.Typer(help="Studies of multi-task training: transfer, channels, affinity.", no_args_is_help=True)
app.add_typer(report, name="report")


@report.command()
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


@report.command()
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


@report.command()
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
