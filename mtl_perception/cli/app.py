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
    source: Annotated[str, typer.Argument(help="A picture, a folder, a pattern, a film, a camera's number, a stream's address, or a bag.")],
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("out/predict"),
    model: Model = "lite",
    device: Device = "auto",
    precision: Precision = "auto",
    score: Annotated[float | None, typer.Option(min=0, max=1, help="Least score of a box; as the node if not given.")] = None,
    fov: Annotated[float | None, typer.Option(help="The camera's horizontal field of view, degrees.")] = None,
    focal: Annotated[float | None, typer.Option(help="The camera's focal length, pixels of these images.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Show the overlays in a window; q ends.")] = False,
    points: Annotated[bool, typer.Option("--points", help="Write point clouds (PLY) too, where the camera is known.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many images.")] = None,
    workers: Workers = 1,
    ray: RayAddress = None,
    image: Image = None,
    camera_info: CameraInfo = None,
) -> None:
    """Run the network on pictures, without ROS: overlays, boxes, masks, depth."""
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
    offline: Annotated[bool, typer.Option("--offline", help="No DDS, no clock: every frame, the same every time.")] = False,
    model: Model = "lite",
    device: Device = "auto",
    precision: Precision = "auto",
    params_file: ParamsFile = None,
    rate: Annotated[float, typer.Option(min=0.01, help="2 plays twice as fast; not with --offline.")] = 1.0,
    image: Image = None,
    camera_info: CameraInfo = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Record the overlay picture too.")] = False,
) -> None:
    """Play a bag through the node and record what it says."""
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
            overlay=overlay,
            console=console,
        )
        Terminal().print(report_table(report))
    if report.interrupted:
        typer.echo(f"interrupted; what was recorded until then is in {out}", err=True)
        raise typer.Exit(130)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the results; those of an earlier demo are replaced.")] = Path("out/demo"),
    bag: Annotated[Path | None, typer.Option(help="Another bag than the shipped drives.")] = None,
    depth_bag: Annotated[
        Path | None, typer.Option(help="A bag with a depth camera and true depth: what the one is worth is shown too.")
    ] = None,
    model: Model = "lite",
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Replay the recorded drive through the node, and show another one's depth camera; pictures, a film and a report."""
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
    out: Annotated[Path, typer.Option(help="Folder of the data set; a run that was cut off goes on.")],
    rooms: Annotated[int, typer.Option(min=1, help="Of all kinds; each is as good as the next.")] = 500,
    views: Annotated[int, typer.Option(min=1, help="Images of each room.")] = 8,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    width: Annotated[int, typer.Option(min=32)] = 384,
    height: Annotated[int, typer.Option(min=32)] = 288,
    renderer: Annotated[str, typer.Option(help="filament, or classic: OpenGL, for a second look.")] = "filament",
    textures: Annotated[
        str, typer.Option(help="train; varied: half of them under patterns of no material; or unseen: those that are held out for tests.")
    ] = "train",
    content: Annotated[
        int, typer.Option(help="1: the rooms of the published tests; 2: more furniture, classes and cameras; 3: these in deep rooms.")
    ] = 1,
    camera: Annotated[str, typer.Option(help="mild, or photographic: exposure, noise, sharpness and colour of photographs.")] = "mild",
    objects: Annotated[
        Path | None, typer.Option(help="Folder of your own meshes, CLASS/*.glb, .obj, .stl …, to put into the rooms.")
    ] = None,
    object_units: Annotated[str, typer.Option(help="What numbers in .obj, .stl and .ply are: m, cm, mm or in.")] = "m",
    object_up: Annotated[str | None, typer.Option(help="Their axis that points up: y or z; y in .glb, z in others if not given.")] = None,
    object_share: Annotated[float, typer.Option(help="Share of the small objects that are yours.")] = 0.3,
    workers: Annotated[int, typer.Option(min=1, help="Processes; one a core if not given.")] = os.cpu_count() or 1,
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
    """Draw examples of the rendered rooms on one sheet."""
    with errors_in_one_line():
        from mtl_perception.simulation.sheet import write_sheet

        write_sheet(out, seed, renderer, textures, content, camera)


@app.command()
def render_ultrasound(
    out: Annotated[Path, typer.Option(help="Folder of the data set.")],
    images: Annotated[int, typer.Option(help="Four of each patient.")] = 1200,
    seed: Annotated[int, typer.Option(help="Other seeds give other patients.")] = 1,
    width: Annotated[int, typer.Option(help="Pixels.")] = 256,
    height: Annotated[int, typer.Option(help="Pixels.")] = 192,
) -> None:
    """Draw labelled pictures like those of ultrasound, to try masks and classes of findings on (docs/applications/medical.md)."""
    with errors_in_one_line():
        from mtl_perception.simulation.ultrasound import UltrasoundSettings, render_ultrasound

        render_ultrasound(out, UltrasoundSettings(images, seed, width, height))


@app.command()
def demo_bag(out: Annotated[Path, typer.Argument(help="Folder of the new bag.")]) -> None:
    """Render the drive of the demo again."""
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
    """Render a drive among objects that move, to score tracking on."""
    with errors_in_one_line():
        from mtl_perception.simulation.moving import write_moving_bag

        write_moving_bag(out)


@app.command()
def returning_bag(out: Annotated[Path, typer.Argument(help="Folder of the new bag.")]) -> None:
    """Render a drive that comes back to where it was, to score who is known again."""
    with errors_in_one_line():
        from mtl_perception.simulation.returning import write_returning_bag

        write_returning_bag(out)


@app.command()
def check(
    data: Annotated[Path, typer.Argument(help="A folder of labelled images, see docs/data.md.")],
    show_all: Annotated[bool, typer.Option("--all", help="Name every problem, not the first of a kind.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page about the set, with pictures.")] = None,
    against: Annotated[
        list[Path] | None, typer.Option(help="Of the page: a folder of another split; pictures that are in both are shown.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Of the page: labels that this model strongly disagrees with are shown.")] = None,
    device: Device = "auto",
) -> None:
    """Look for broken files and labels in a data set."""
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
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew where an earlier run could go on.")] = False,
) -> None:
    """Train a network; a run that was interrupted or killed goes on."""
    with errors_in_one_line():
        from mtl_perception.training import read_config
        from mtl_perception.training import train as train_network

        train_network(read_config(config), restart=restart)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a .safetensors file.")],
    data: Annotated[
        list[str],
        typer.Argument(help="Data folders or bags with ground truth, as PATH or NAME=PATH; the first is compared with."),
    ],
    report: Annotated[Path | None, typer.Option(help="Folder of index.html and scores.json; out/evaluate/MODEL if not given.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the scores here too.")] = None,
    device: Device = "auto",
    precision: Precision = "float32",
    backend: Annotated[str, typer.Option(help="torch or openvino; exported files choose for themselves.")] = "torch",
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many images of each, spread over all.")] = None,
    workers: Workers = 1,
    ray: RayAddress = None,
    image: Image = None,
    camera_info: CameraInfo = None,
) -> None:
    """Score a model: mAP, mIoU, depth errors; tables, JSON and an HTML report."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.evaluation.command import Options, evaluate_model

        options = Options(report, json_file, device, precision, backend, limit, image, camera_info, spread(workers, ray))
        evaluate_model(model, data, options, Terminal())


@app.command()
def compare(
    scores: Annotated[list[Path], typer.Argument(help="JSON files of evaluate: of multi-task networks, and of one a task.")],
    set_name: Annotated[str | None, typer.Option("--set", help="The set to compare on; the first common one.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the comparison here too.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the table here, as Markdown.")] = None,
) -> None:
    """Multi-task against single-task networks: every measure, Δm and costs."""
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
    scores: Annotated[Path, typer.Argument(help="The JSON file that evaluate wrote of it.")],
    out: Annotated[Path | None, typer.Option(help="The Markdown page; beside the model if not given.")] = None,
    limits: Annotated[str | None, typer.Option(help="What the model can't do; as before if not given.")] = None,
) -> None:
    """Put scores into a model's card, and write the card as a page."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.evaluation.card import write_card

        write_card(model, scores, out, limits, Terminal())


@app.command()
def info(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a .safetensors file.")],
) -> None:
    """Show a model: tasks, labels, training, scores."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.core.resources import find_model
        from mtl_perception.model.checkpoint import read_card

        Terminal().print_json(read_card(find_model(model)).model_dump_json())


report = typer.Typer(help="How the tasks of a network get on with each other.", no_args_is_help=True)
app.add_typer(report, name="report")


@report.command()
def transfer(
    config: Annotated[Path, typer.Argument(help="A YAML file, such as config/transfer.yaml.")],
    seeds: Annotated[int, typer.Option(help="Networks of each kind: at least 2, and 5 for a claim.")] = 5,
    docs: Annotated[Path | None, typer.Option(help="Also write Markdown with its charts beside it into this folder.")] = None,
    training: Annotated[bool, typer.Option("--train/--no-train", help="Or report what is done, whatever is missing.")] = True,
    jobs: Annotated[int, typer.Option(min=1, help="Networks to train at a time.")] = 1,
) -> None:
    """Train single-task networks and multi-task set-ups and compare them; a run that was cut off goes on."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.studies.transfer import report_transfer

        report_transfer(config, seeds, Terminal(), docs, training, jobs)


@report.command()
def channels(
    config: Annotated[Path, typer.Argument(help="A training configuration with 'start_from'.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report; out/channels/NAME if not given.")] = None,
    batches: Annotated[int, typer.Option(min=1, help="Batches that are looked at.")] = 2,
) -> None:
    """Measure which channels of a trained network carry which task, for 'channel_control' in a training configuration."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.studies.channel_report import report_channels

        report_channels(config, out, batches, Terminal())


@report.command()
def affinity(
    config: Annotated[Path, typer.Argument(help="A training configuration, such as those in config/train/.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report; out/affinity/NAME if not given.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Steps between two measurements.")] = 50,
    batches: Annotated[int, typer.Option(min=1, help="Batches that each measurement looks at.")] = 2,
    docs: Annotated[Path | None, typer.Option(help="Also write Markdown with its charts beside it into this folder.")] = None,
) -> None:
    """Train a network and measure where its tasks' gradients agree or conflict; groups of tasks that help each other."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.studies.affinity import report_affinity

        report_affinity(config, out, every, batches, Terminal(), docs)
