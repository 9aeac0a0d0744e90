# SPDX-License-Identifier: Apache-2.0
"""Runs the demo: live through the node, then every frame through the engine for scores, film and pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console

from mtl_perception import __version__
from mtl_perception.bags import Bag, BagError, BagFrame, Topic
from mtl_perception.core.files import write_atomically
from mtl_perception.core.progress import frame_progress
from mtl_perception.core.resources import find_model
from mtl_perception.core.terminal_table import TerminalTable
from mtl_perception.demo.depth_camera import DepthCameraResult, assess_depth_camera, depth_table
from mtl_perception.demo.pictures import Look, contact_sheet, depth_range, film_frame
from mtl_perception.demo.report import write_report
from mtl_perception.evaluation import Evaluation, SceneEvaluator, Truth
from mtl_perception.evaluation.ground_truth import BagTruth
from mtl_perception.evaluation.recorded import recorded_scenes
from mtl_perception.evaluation.scenes import MEASURES, WEAKEST_SCORE
from mtl_perception.evaluation.tables import plain
from mtl_perception.inference.engine import Engine
from mtl_perception.pipeline import published
from mtl_perception.prediction.film import Film
from mtl_perception.reporting.numbers import figure
from mtl_perception.reporting.tables import ARROWS
from mtl_perception.ros.replay.live import NODE_COMMAND
from mtl_perception.ros.replay.replay import replay_bag, report_table
from mtl_perception.ros.replay.report import ReplayReport

_SHEET_ROWS = 6
_SHEET_COLUMNS = ("camera", "boxes and mask", "segmentation", "true segmentation", "depth", "true depth")


@dataclass(frozen=True)
class Still:
    """One frame with all of its panels. ``caption`` says what it stands for."""

    caption: str
    time_s: float
    panels: dict[str, np.ndarray]
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DemoResult:
    """Everything that the report tells.

    Attributes:
        every_frame: scores of the engine on each labelled frame; the same on a slow and on a fast machine.
        live: scores of what the node published in real time, on the labelled frames that it found time for.
        stamps_ns: of every image of the drive.
        left_out: classes of the truth that the model does not know.
        depth_camera: of a second drive, if there was one.
    """

    bag_name: str
    duration_s: float
    stamps_ns: list[int]
    labelled: int
    report: ReplayReport
    every_frame: Evaluation
    live: Evaluation
    look: Look
    stills: list[Still]
    left_out: list[str]
    depth_camera: DepthCameraResult | None = None

    def summary(self) -> dict[str, Any]:
        """Returns the content of summary.json."""
        report = self.report
        headline = {name: self.every_frame.scores.get(task, {}).get(name) for task, name in HEADLINE.items()}
        return plain(
            {
                "version": __version__,
                "bag": {
                    "name": self.bag_name,
                    "duration_s": self.duration_s,
                    "frames_labelled": self.labelled,
                },
                "model": report.model,
                "device": report.device,
                "precision": report.precision,
                "frames": {
                    "in": report.frames_in,
                    "processed": report.frames_processed,
                    "dropped": report.frames_dropped,
                    "rejected": report.frames_rejected,
                    "lost": report.frames_lost,
                },
                "latency_ms": report.percentiles_ms(),
                **headline,
                "scores": {"every_labelled_frame": self.every_frame.scores, "live": self.live.scores},
                "depth_camera": None if self.depth_camera is None else self.depth_camera.summary(),
                "warnings": report.warnings,
            }
        )


HEADLINE = {"segmentation": "mIoU", "depth": "AbsRel", "detection": "AP50"}
"""Task → the one measure that stands for it."""


def run_demo(
    bag_path: Path,
    out: Path,
    *,
    model: str,
    device: str,
    precision: str,
    console: Console,
    depth_bag: Path | None = None,
    node_command: Sequence[str] = NODE_COMMAND,
) -> DemoResult:
    """Replay ``bag_path`` and fill ``out``: outputs/ (bag), film, contact sheet, report and summary.

    Args:
        depth_bag: a second drive, with a depth camera: what it is worth to the network's depth is shown too.

    Raises:
        ValueError: bag, model or device can't be used; the text says why.
        OSError: a result can't be written; the text names it.
        KeyboardInterrupt: the user ended it; what was recorded until then is kept.
    """
    checkpoint = find_model(model)
    with Bag(bag_path) as bag:
        bag.find_image()  # a wrong bag is told before the results of the last demo go
    out.mkdir(parents=True, exist_ok=True)
    _remove_old(out)
    report = replay_bag(
        bag_path,
        out / "outputs",
        console=console,
        model=str(checkpoint),
        device=device,
        precision=precision,
        node_command=node_command,
    )
    if report.interrupted:
        raise KeyboardInterrupt
    engine = Engine.load(checkpoint, device, precision)
    try:
        with Bag(bag_path) as bag:
            result = assess(bag, engine, report, out, console)
        if depth_bag is not None:
            result = replace(result, depth_camera=assess_depth_camera(depth_bag, engine, console))
    finally:
        engine.close()
    rows = [
        (
            f"{still.time_s:.1f} s\n{still.caption}",
            {name: still.panels[name] for name in _SHEET_COLUMNS if name in still.panels},
        )
        for still in result.stills[:_SHEET_ROWS]
    ]
    _write_sheet(out / "contact_sheet.png", rows)
    if result.depth_camera is not None:
        _write_sheet(out / "depth_camera.png", result.depth_camera.rows)
    write_atomically(out / "summary.json", (json.dumps(result.summary(), indent=2) + "\n").encode())
    write_report(result, out / "film.webm", out / "report.html")
    console.print(report_table(report))
    if result.labelled:
        console.print(_score_table(result))
    if result.depth_camera is not None:
        console.print(depth_table(result.depth_camera))
    for name in ("report.html", "film.webm", "contact_sheet.png", "depth_camera.png", "summary.json", "outputs"):
        if (out / name).exists():
            console.print(f"  {out / name}", highlight=False)
    return result


def _write_sheet(path: Path, rows: list[tuple[str, dict[str, np.ndarray]]]) -> None:
    sheet = cv2.imencode(".png", cv2.cvtColor(contact_sheet(rows), cv2.COLOR_RGB2BGR))[1]
    write_atomically(path, sheet.tobytes())


@dataclass(frozen=True)
class _Drive:
    """A bag's camera and truth, the network that looks at it, and how it is shown."""

    bag: Bag
    image: Topic
    camera_info: Topic | None
    engine: Engine
    truth: BagTruth
    look: Look

    def frames(self) -> Iterator[BagFrame]:
        """Those that hold an image."""
        frames = self.bag.frames(self.image, self.camera_info)
        return (frame for frame in frames if frame.image_rgb is not None)


def assess(bag: Bag, engine: Engine, report: ReplayReport, out: Path, console: Console) -> DemoResult:
    """Scores, film and stills of a drive whose live replay is in ``out``/outputs."""
    image = bag.find_image()
    card = engine.card
    truth = BagTruth(bag, card.detection_labels, card.segmentation_labels)
    look = Look(card, *_depth_range(truth))
    drive = _Drive(bag, image, bag.find_camera_info(image), engine, truth, look)
    every_frame, stamps_ns = _score_and_film(drive, out / "film.webm", console)
    if not stamps_ns:
        problem = next(bag.frames(image, drive.camera_info)).problem
        raise BagError(f"bag {bag.path}: no image on {image.name} can be read; of the first: {problem}")
    labelled = [stamp for stamp in stamps_ns if stamp in truth]
    chosen = _chosen(stamps_ns, labelled, every_frame)
    return DemoResult(
        bag_name=bag.path.name,
        duration_s=(stamps_ns[-1] - stamps_ns[0]) * 1e-9,
        stamps_ns=stamps_ns,
        labelled=len(labelled),
        report=report,
        every_frame=every_frame,
        live=_score_recorded(out / "outputs", card, truth),
        look=look,
        stills=_stills(drive, chosen, stamps_ns[0]),
        left_out=sorted(truth.left_out),
    )


def _score_and_film(drive: _Drive, path: Path, console: Console) -> tuple[Evaluation, list[int]]:
    """Scores over the labelled frames, the film of all frames, and the stamps of all frames."""
    engine, image = drive.engine, drive.image
    evaluator = SceneEvaluator(engine.card)
    remark = f"{engine.card.name} on {engine.device}, every frame"
    rate_hz = max(1.0, (image.count - 1) / drive.bag.duration_s) if drive.bag.duration_s else 10.0
    film: Film | None = None
    stamps_ns: list[int] = []
    engine.score_threshold = WEAKEST_SCORE
    try:
        with frame_progress(console, "scores and film, every frame", image.count) as show:
            for frame in drive.frames():
                stamps_ns.append(frame.stamp_ns)
                scene = engine(frame.image_rgb, frame.intrinsics)
                known = drive.truth.at(frame.stamp_ns)
                if known is not None:
                    evaluator.update(scene, known)
                shown = published(scene)
                caption = f"{(frame.stamp_ns - stamps_ns[0]) * 1e-9:.1f} s"
                if shown.detections is not None:
                    caption += f"   {len(shown.detections)} objects"
                picture = film_frame(drive.look, frame.image_rgb, shown, caption, remark)
                if film is None:
                    film = Film(path, picture.shape[1], picture.shape[0], rate_hz)
                film.add(picture)
                show(len(stamps_ns))
    finally:
        if film is not None:
            film.close()
    return evaluator.compute(), stamps_ns


def _score_recorded(outputs: Path, card: Any, truth: BagTruth) -> Evaluation:
    """Scores of what the node published, on the frames that have a truth."""
    evaluator = SceneEvaluator(card)
    with Bag(outputs) as bag:
        for stamp, scene in recorded_scenes(bag, card.detection_labels):
            known = truth.at(stamp)
            if known is not None:
                evaluator.update(scene, known)
    return evaluator.compute()


def _chosen(stamps_ns: list[int], labelled: list[int], evaluation: Evaluation) -> dict[str, int]:
    """Caption → stamp: frames spread over the drive, then the best, the median and the worst."""
    source = labelled or stamps_ns
    places = np.linspace(0, len(source) - 1, min(_SHEET_ROWS, len(source))).round().astype(int)
    chosen = {f"frame {stamps_ns.index(source[place])}": source[place] for place in places}
    if labelled:
        for caption, share in (("best", 1.0), ("median", 0.5), ("worst", 0.0)):
            chosen[caption] = labelled[evaluation.frame_at(share).index]
    return chosen


def _stills(drive: _Drive, chosen: dict[str, int], start_ns: int) -> list[Still]:
    frames: dict[int, tuple[BagFrame, Truth | None]] = {}
    for frame in drive.frames():
        if frame.stamp_ns in chosen.values():
            frames[frame.stamp_ns] = frame, drive.truth.at(frame.stamp_ns)
    stills = []
    for caption, stamp in chosen.items():
        frame, known = frames[stamp]
        scene = drive.engine(frame.image_rgb, frame.intrinsics)
        scores: dict[str, float] = {}
        if known is not None:
            evaluator = SceneEvaluator(drive.look.card)
            scores = evaluator.update(scene, known).scores
        panels = drive.look.panels(frame.image_rgb, scene, known)
        stills.append(Still(caption, (stamp - start_ns) * 1e-9, panels, scores))
    return stills


def _depth_range(truth: BagTruth) -> tuple[float, float]:
    some = truth.stamps_ns[:: max(1, len(truth) // 20)]
    known = [truth.at(stamp).depth_m for stamp in some]
    return depth_range([depth_m for depth_m in known if depth_m is not None])


def _score_table(result: DemoResult) -> TerminalTable:
    live_frames = max((values["frames"] for values in result.live.scores.values()), default=0)
    table = TerminalTable(
        ["measure", f"every labelled frame ({result.labelled})", f"live, in real time ({live_frames})"],
        title="scores against the bag's ground truth",
    )
    for task, values in result.every_frame.scores.items():
        live = result.live.scores.get(task, {})
        for measure, direction in MEASURES[task].items():
            is_last = measure == list(MEASURES[task])[-1]
            table.add_row(f"{measure} {ARROWS[direction]}", figure(values[measure]), figure(live.get(measure)), end_section=is_last)
    table.caption = (
        "Every labelled frame: offline, boxes down to a score of .01. "
        "Live: what the node published, above its score threshold and after class-agnostic NMS."
    )
    return table


def _remove_old(out: Path) -> None:
    """The results of an earlier demo, and nothing else."""
    if (out / "outputs" / "metadata.yaml").exists():
        shutil.rmtree(out / "outputs")
    for name in ("film.webm", "contact_sheet.png", "depth_camera.png", "report.html", "summary.json"):
        (out / name).unlink(missing_ok=True)
