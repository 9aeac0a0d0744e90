# SPDX-License-Identifier: Apache-2.0
"""Costs of points and 3D boxes, as shares of the time of the network.

    scripts/run python -m mtl_perception.benchmark.components.spatial [--model lite] [--backend torch] [--rounds 40]

Engine, points of 640×480 and boxes of 50 detections take turns in one process, on one thread; what counts is the
processor's time, which other programs hardly change. The shares are medians over the rounds. The bars: points at most
10 %, 3D boxes of 50 detections at most 3 % of the engine's time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from mtl_perception.benchmark.components.beside_network import cpu_ms, open_engine, read_options
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Detections, Scene
from mtl_perception.inference.engine import Engine
from mtl_perception.spatial.boxes_3d import BoxEstimator
from mtl_perception.spatial.points import POINT, PointFilter, PointProjector, on_grid

WIDTH, HEIGHT, OBJECTS = 640, 480, 50
CAMERA = Intrinsics(WIDTH, HEIGHT, 500.0, 500.0, 319.5, 239.5)
UP = np.array([0.0, -0.97, -0.24])
BARS = {"points": 0.10, "points, filtered": 0.10, "points, stride 2": 0.10, "3D boxes": 0.03, "3D boxes, no gravity": 0.03}


def main() -> int:
    options = read_options(__doc__, rounds=40)
    engine, image_rgb = open_engine(options.model, options.backend)
    scene = engine(image_rgb, CAMERA)
    work = jobs(engine, image_rgb, scene)
    work = {"network": lambda: engine(image_rgb, CAMERA), **work}
    times_ms: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(options.rounds + 3):
        for name, job in work.items():
            times_ms[name].append(cpu_ms(job))
    return report(options.model, {name: np.array(values[3:]) for name, values in times_ms.items()})


def jobs(engine: Engine, image_rgb: np.ndarray, scene: Scene) -> dict[str, Callable[[], object]]:
    """The work that is timed; ``scene`` is the network's, with ``OBJECTS`` boxes all over the image."""
    rng = np.random.default_rng(1)
    low = rng.uniform(0, (WIDTH - 140, HEIGHT - 110), (OBJECTS, 2))
    boxes_xyxy = np.concatenate([low, low + rng.uniform(20, (140, 110), (OBJECTS, 2))], 1).astype(np.float32)
    objects = len(engine.card.detection_labels)
    found = Detections(boxes_xyxy, np.full(OBJECTS, 0.5, np.float32), rng.integers(0, objects, OBJECTS))
    crowded = Scene(WIDTH, HEIGHT, found, scene.segmentation, scene.depth)
    estimate = BoxEstimator(engine.card.detection_labels, engine.card.segmentation_labels)

    def points(stride: int = 1, filter: PointFilter = PointFilter()) -> Callable[[], object]:
        project, out = PointProjector(stride, filter), np.empty(on_grid(scene.depth.depth_m, stride).shape, POINT)
        return lambda: project(scene.depth, CAMERA, image_rgb, scene.segmentation, out=out)

    every = PointFilter(max_range_m=5.0, min_confidence=0.4, max_relative_std=0.5, removed_ids=frozenset({0}))
    return {
        "points": points(),
        "points, filtered": points(filter=every),
        "points, stride 2": points(2),
        "3D boxes": lambda: estimate(crowded, CAMERA, UP),
        "3D boxes, no gravity": lambda: estimate(crowded, CAMERA),
    }


def report(model: str, times_ms: dict[str, np.ndarray]) -> int:
    network = times_ms.pop("network")
    print(f"{WIDTH}x{HEIGHT}, {OBJECTS} detections; engine with {model} on one CPU core: median {np.median(network):.1f} ms")
    print(f"{'':24}{'median ms':>10}{'least ms':>10}{'share':>8}{'bar':>6}")
    met = True
    for name, values in times_ms.items():
        share = float(np.median(values / network))
        met &= share <= BARS[name]
        print(f"{name:24}{np.median(values):10.2f}{values.min():10.2f}{share:8.1%}{BARS[name]:6.0%}")
    print("within the bars" if met else "NOT within the bars")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
