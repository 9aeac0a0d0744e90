# SPDX-License-Identifier: Apache-2.0
"""A bag in, a bag of results out: through the node over DDS, or offline through the engine alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mtl_perception.bags import Bag, BagError, Topic
from mtl_perception.bags.depth import find_depth
from mtl_perception.core.progress import frame_progress
from mtl_perception.core.resources import find_model, resource
from mtl_perception.core.terminal_table import TerminalTable
from mtl_perception.core.yaml_file import load_yaml
from mtl_perception.pipeline.options import DEPTH_SOURCES
from mtl_perception.ros.node.specs import SPECS
from mtl_perception.ros.replay.depth import DepthStream, DepthTopics, choose_depth, require_depth
from mtl_perception.ros.replay.live import NODE_COMMAND, replay_live
from mtl_perception.ros.replay.offline import replay_offline
from mtl_perception.ros.replay.recording import Recording
from mtl_perception.ros.replay.report import ReplayReport

_NODE_NAMES = ("/**", "/**/perception", "/perception", "perception")
"""Sections of a parameter file that speak to the node, the most particular last."""


def replay_bag(
    bag_path: Path,
    out: Path,
    *,
    console: Console,
    offline: bool = False,
    model: str = "lite",
    device: str = "auto",
    precision: str = "auto",
    params_file: Path | None = None,
    rate: float = 1.0,
    image: str | None = None,
    camera_info: str | None = None,
    depth: str | None = None,
    depth_source: str | None = None,
    overlay: bool = False,
    node_command: Sequence[str] = NODE_COMMAND,
) -> ReplayReport:
    """Replay a whole bag with a progress bar; see ``replay_live`` and ``replay_offline``.

    Args:
        bag_path: the bag that holds the camera.
        out: folder of the new bag; must not exist.
        model: a shipped model's name, or a file.
        params_file: ROS parameters of the node; ``config/robot.yaml`` where None.
        image, camera_info: topics; found where None.
        depth: topic of the depth camera, or "none"; found where None, if ``depth.source`` asks for one.
        depth_source: instead of the parameter ``depth.source``.

    Raises:
        BagError, CheckpointError, DeviceError, ReplayError: in words for the user; all are ValueErrors.
        FileNotFoundError: no such model or parameter file.
    """
    params_file = params_file or resource("config/robot.yaml")
    settings = node_parameters(params_file)
    if settings["cameras"]:
        names = ", ".join(settings["cameras"])
        raise ValueError(f"{params_file} is for the cameras {names}; a replay is of one: give a file without cameras")
    parameters = {"model": str(find_model(model)), "device": device, "precision": precision}
    if depth_source is not None:
        parameters["depth.source"] = settings["depth.source"] = depth_source
    if settings["depth.source"] not in DEPTH_SOURCES:
        raise ValueError(f"depth.source is {settings['depth.source']!r}, expected one of {', '.join(DEPTH_SOURCES)}")
    with Bag(bag_path) as bag:
        image_topic = bag.find_image(image)
        info_topic = bag.find_camera_info(image_topic, camera_info)
        for topic, reason in bag.skipped.items():
            console.print(f"left out of {bag_path.name}: {topic}: {reason}", highlight=False, markup=False)
        if info_topic is None:
            console.print(f"no camera_info for {image_topic.name}: depth is in the metres of the camera trained on")
        depth_topics = choose_depth(bag, image_topic, settings["depth.source"], depth)
        console.print(
            _about_depth(bag, image_topic, settings["depth.source"], depth_topics), highlight=False, markup=False, soft_wrap=True, end=""
        )
        if settings["depth.scale"] == "scan":
            console.print("depth.scale is scan, and a replay plays no laser: depth keeps the network's scale", highlight=False)
        if depth_topics is not None:
            require_depth(bag, image_topic, info_topic, depth_topics, settings)
        what = f"{'offline' if offline else 'live'} replay of {bag_path.name}"
        recording = Recording(out)
        try:
            with frame_progress(console, what, image_topic.count) as show:

                def on_progress(report: ReplayReport) -> None:
                    show(
                        report.frames_in,
                        f"{report.frames_processed} processed, {report.frames_dropped} dropped",
                    )

                if offline:
                    report = _offline(bag, image_topic, info_topic, depth_topics, parameters, settings, recording, overlay, on_progress)
                else:
                    report = replay_live(
                        bag,
                        image_topic,
                        info_topic,
                        parameters,
                        recording,
                        depth=None if depth_topics is None else DepthStream(bag, depth_topics, settings["depth.tolerance"]),
                        params_file=params_file,
                        rate=rate,
                        overlay=overlay,
                        on_progress=on_progress,
                        node_command=node_command,
                    )
        except ValueError:
            if recording.count:
                console.print(f"{recording.count} messages that were recorded until then are in {out}", highlight=False, markup=False)
            raise
        finally:
            recording.close()
    for warning in report.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, markup=False)
    return report


def report_table(report: ReplayReport) -> TerminalTable:
    """Frames and latency, for the terminal."""
    table = TerminalTable(
        ["stage", "p50 ms", "p99 ms"], title=f"{report.mode} replay: {report.model} on {report.device}, {report.precision}"
    )
    for stage, share in report.percentiles_ms().items():
        table.add_row(stage, f"{share['p50']:.1f}", f"{share['p99']:.1f}", end_section=stage == "publish")
    table.caption = (
        f"{report.frames_in} frames in, {report.frames_processed} processed, "
        f"{report.frames_dropped} dropped, "
        f"{report.frames_rejected} rejected, {report.frames_lost} lost"
    )
    return table


def _offline(
    bag: Bag,
    image: Topic,
    camera_info: Topic | None,
    depth: DepthTopics | None,
    parameters: dict[str, str],
    settings: dict[str, Any],
    recording: Recording,
    overlay: bool,
    on_progress,
) -> ReplayReport:
    from mtl_perception.inference.engine import Engine

    asked = (parameters["device"], parameters["precision"], settings["backend"], settings["compile"])
    engine = Engine.load(parameters["model"], *asked)
    try:
        engine.score_threshold = settings["score_threshold"]
        return replay_offline(bag, image, camera_info, engine, recording, settings, depth=depth, overlay=overlay, on_progress=on_progress)
    finally:
        engine.close()


def _about_depth(bag: Bag, image: Topic, source: str, topics: DepthTopics | None) -> str:
    """A line for the user on the depth camera, or nothing."""
    if topics is not None:
        return f"measured depth: {topics.image.name} (depth.source {source})\n"
    try:
        unused = find_depth(bag, image) if source == "network" else None
    except BagError:  # several, or one that can't be read, of which nobody asked
        return ""
    return (
        "" if unused is None else f"measured depth on {unused.name} is not used: depth.source is network (--depth-source fused uses it)\n"
    )


def node_parameters(params_file: Path) -> dict[str, Any]:
    """The node's parameters as it would start with this file: its defaults, and what the file says.

    Raises:
        ValueError: the file is no ROS parameter file.
    """
    try:
        content = load_yaml(params_file) or {}
        said = [(content.get(name) or {}).get("ros__parameters") or {} for name in _NODE_NAMES]
        values = {name: value for section in said for name, value in _flat(section)}
    except AttributeError:
        raise ValueError(f"{params_file} is no ROS parameter file: expected NODE: {{ros__parameters: {{name: value}}}}") from None
    return {spec.name: values.get(spec.name, spec.default) for spec in SPECS}


def _flat(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """a: {b: 1} is another way to write a.b: 1."""
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
