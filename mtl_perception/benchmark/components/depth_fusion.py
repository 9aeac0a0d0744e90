# SPDX-License-Identifier: Apache-2.0
"""Errors of the network's depth before and after it is fused with measured depth that has holes.

    scripts/run python -m mtl_perception.benchmark.components.depth_fusion FOLDER [FOLDER ...] [--model lite] [--images 24] [--hidden 0.3] [--far 5]

FOLDER holds labelled depth (docs/data.md). Of each image the network's depth is fused with the labels as a sensor would give them:
with the noise of structured light, nothing nearer than 0.4 m or farther than a range, and rectangles hidden that make up a share of the
image.
Root mean square errors in metres, over all labelled pixels and over the hidden ones alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from mtl_perception.core.resources import find_model
from mtl_perception.data.folder import ImageFolder
from mtl_perception.inference.engine import Engine
from mtl_perception.spatial.depth_fusion import SensorNoise, fuse

NEAR_M = 0.4


def sensor(truth_m: np.ndarray, hidden_share: float, far_m: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) metres that a sensor sees of ``truth_m``, NaN where nothing, and which pixels were hidden from it."""
    height, width = truth_m.shape
    hidden = np.zeros((height, width), bool)
    while hidden.mean() < hidden_share:
        size = random.integers((height // 8, width // 8), (height // 3, width // 3))
        top, left = random.integers(0, (height, width) - size)
        hidden[top : top + size[0], left : left + size[1]] = True
    noisy = truth_m * (1 + random.normal(size=truth_m.shape) * SensorNoise().relative_std(truth_m))
    seen = ~hidden & (truth_m > NEAR_M) & (truth_m < far_m)
    return np.where(seen, noisy, np.nan).astype(np.float32), hidden


def rmse_m(depth_m: np.ndarray, truth_m: np.ndarray, where: np.ndarray) -> float:
    return float(np.sqrt(np.mean((depth_m - truth_m)[where] ** 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--hidden", type=float, default=0.3)
    parser.add_argument("--far", type=float, default=np.inf, help="metres")
    options = parser.parse_args()
    engine = Engine.load(find_model(options.model))
    cv2.setNumThreads(1)
    random = np.random.default_rng(0)
    print(
        f"{'':24} {'network':>8} {'fused':>8} {'ratio':>6}  {'hidden: network':>16} {'fused':>8} {'ratio':>6}  {'network, ms':>12} {'fusion, ms':>11}"
    )
    for folder in options.folders:
        data = ImageFolder(folder)
        labelled = [i for i, entry in enumerate(data.entries) if "depth" in entry.tasks]
        errors, times = [], []
        for i in labelled[:: max(1, len(labelled) // options.images)]:
            sample = data[i]
            truth_m = sample.labels["depth"]
            start_s = time.perf_counter()
            network = engine(sample.image, sample.intrinsics, ["depth"]).depth
            network_s = time.perf_counter()
            measured_m, hidden = sensor(np.where(truth_m > 0, truth_m, np.nan), options.hidden, options.far, random)
            fusing_s = time.perf_counter()
            fused = fuse(measured_m, network)
            times.append((network_s - start_s, time.perf_counter() - fusing_s))
            scored = (truth_m > 0) & np.isfinite(network.depth_m)
            errors.append([rmse_m(depth.depth_m, truth_m, part) for part in (scored, scored & hidden) for depth in (network, fused.depth)])
        whole, whole_fused, holes, holes_fused = np.mean(errors, axis=0)
        network_ms, fusion_ms = 1e3 * np.median(times, axis=0)
        print(
            f"{folder.name:24} {whole:8.3f} {whole_fused:8.3f} {whole_fused / whole:6.2f}  {holes:16.3f} {holes_fused:8.3f} "
            f"{holes_fused / holes:6.2f}  {network_ms:12.1f} {fusion_ms:11.1f}"
        )


if __name__ == "__main__":
    main()
