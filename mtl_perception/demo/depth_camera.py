# SPDX-License-Identifier: Apache-2.0
"""The second drive of the demo: the network's depth alone, and fused with that of a depth camera, against the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console

from mtl_perception.bags import Bag, BagError, BagFrame
from mtl_perception.bags.depth import BagDepth, find_depth
from mtl_perception.core.drawing import colorize_depth
from mtl_perception.core.progress import frame_progress
from mtl_perception.core.terminal_table import TerminalTable
from mtl_perception.demo.pictures import depth_range
from mtl_perception.evaluation.ground_truth import BagTruth
from mtl_perception.inference.engine import Engine
from mtl_perception.reporting.numbers import figure
from mtl_perception.reporting.tables import ARROWS
from mtl_perception.spatial.depth_fusion import Source, fuse
from mtl_perception.tasks.depth.metric import DepthMetric
from mtl_perception.tasks.depth.panel import signed_error

MEASURES = ("AbsRel", "RMSE", "delta1")
_ROWS = 4


@dataclass(frozen=True)
class DepthScores:
    """Of ``MEASURES``, over every labelled pixel together."""

    network: dict[str, float]
    fused: dict[str, float]


@dataclass(frozen=True)
class DepthCameraResult:
    """
    Attributes:
        frames: that have true depth and a measurement.
        measured: share of their pixels that the sensor measured.
        whole, holes: over all of their pixels, and over those alone that it did not measure.
        rows: (caption, panels) of some of them.
    """

    bag_name: str
    frames: int
    measured: float
    whole: DepthScores
    holes: DepthScores
    rows: list[tuple[str, dict[str, np.ndarray]]]

    def summary(self) -> dict[str, Any]:
        """Returns its part of summary.json."""
        return {
            "bag": self.bag_name,
            "frames_labelled": self.frames,
            "measured_share": self.measured,
            "every_pixel": vars(self.whole),
            "unmeasured_pixels": vars(self.holes),
        }


def assess_depth_camera(path: Path, engine: Engine, console: Console) -> DepthCameraResult:
    """Fuses what a depth camera measured with the network's depth, on each image of the bag that has true depth.

    Raises:
        BagError: the bag can't be read, has no registered depth, or none that is true.
    """
    with Bag(path) as bag:
        image = bag.find_image()
        topic = find_depth(bag, image)
        if topic is None:
            raise BagError(f"bag {path} holds no depth that is registered to {image.name}: 16UC1, 32FC1 or compressedDepth in its frame")
        truth, sensor = BagTruth(bag, (), ()), BagDepth(bag, topic)
        comparison = _Comparison(engine)
        with frame_progress(console, "depth camera", len(truth)) as show:
            for frame in bag.frames(image, bag.find_camera_info(image)):
                known = truth.at(frame.stamp_ns)
                measured_m = sensor.at(frame.stamp_ns)
                if frame.image_rgb is None or known is None or known.depth_m is None or measured_m is None:
                    continue
                comparison.add(frame, measured_m, known.depth_m)
                show(len(comparison.times_ns))
        if not comparison.times_ns:
            raise BagError(f"bag {path} holds no image with both true depth and a measurement")
        return comparison.result(path.name)


class _Comparison:
    """Both kinds of depth, frame by frame."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._metrics = {name: DepthMetric() for name in ("network", "fused", "network in holes", "fused in holes")}
        self._maps: list[tuple[np.ndarray, ...]] = []
        self._measured: list[float] = []
        self.times_ns: list[int] = []

    def add(self, frame: BagFrame, measured_m: np.ndarray, true_m: np.ndarray) -> None:
        assert frame.image_rgb is not None
        height, width = frame.image_rgb.shape[:2]
        measured_m = cv2.resize(measured_m, (width, height), interpolation=cv2.INTER_NEAREST)
        network = self._engine(frame.image_rgb, frame.intrinsics, ["depth"]).depth
        if network is None:
            raise ValueError(f"the model {self._engine.card.name} gives no depth")
        fused = fuse(measured_m, network)
        in_holes = np.where(fused.source == Source.MEASURED, np.nan, true_m)
        for name, depth in (("network", network), ("fused", fused.depth)):
            self._metrics[name].update(depth.depth_m, true_m)
            self._metrics[f"{name} in holes"].update(depth.depth_m, in_holes)
        self._measured.append(float(np.mean(fused.source == Source.MEASURED)))
        self._maps.append((frame.image_rgb, measured_m, network.depth_m, fused.depth.depth_m, true_m))
        self.times_ns.append(frame.stamp_ns)

    def result(self, bag_name: str) -> DepthCameraResult:
        scores = {name: {measure: metric.compute()[measure] for measure in MEASURES} for name, metric in self._metrics.items()}
        near_m, far_m = depth_range([maps[-1] for maps in self._maps])
        chosen = np.linspace(0, len(self._maps) - 1, min(_ROWS, len(self._maps))).round().astype(int)
        start_ns = self.times_ns[0]
        return DepthCameraResult(
            bag_name=bag_name,
            frames=len(self._maps),
            measured=float(np.mean(self._measured)),
            whole=DepthScores(scores["network"], scores["fused"]),
            holes=DepthScores(scores["network in holes"], scores["fused in holes"]),
            rows=[(f"{(self.times_ns[k] - start_ns) * 1e-9:.1f} s", _panels(*self._maps[k], near_m, far_m)) for k in chosen],
        )


def _panels(
    image_rgb: np.ndarray,
    measured_m: np.ndarray,
    network_m: np.ndarray,
    fused_m: np.ndarray,
    true_m: np.ndarray,
    near_m: float,
    far_m: float,
) -> dict[str, np.ndarray]:
    known = true_m > 0  # NaN is not
    return {
        "camera": image_rgb,
        "measured": colorize_depth(measured_m, near_m, far_m),
        "network alone": colorize_depth(network_m, near_m, far_m),
        "fused": colorize_depth(fused_m, near_m, far_m),
        "true depth": colorize_depth(true_m, near_m, far_m),
        "error, network alone": signed_error(network_m, true_m, known),
        "error, fused": signed_error(fused_m, true_m, known),
    }


def depth_table(result: DepthCameraResult) -> TerminalTable:
    """Scores for the terminal."""
    columns = ["", "network alone", "fused", "in holes: network alone", "fused"]
    table = TerminalTable(columns, title=f"depth with a depth camera: {result.bag_name}, {result.frames} images")
    for measure in MEASURES:
        whole, holes = result.whole, result.holes
        values = (whole.network, whole.fused, holes.network, holes.fused)
        table.add_row(f"{measure} {ARROWS[DepthMetric.directions[measure]]}", *(figure(value[measure]) for value in values))
    table.caption = f"The sensor measured {result.measured:.0%} of the pixels. AbsRel and δ1 of depth in metres, RMSE in metres."
    return table
