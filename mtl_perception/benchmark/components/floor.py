# SPDX-License-Identifier: Apache-2.0
"""Depth scaled by a known height over the floor or by usual sizes of objects, and the free floor, beside the truth.

    scripts/run python -m mtl_perception.benchmark.components.floor DATA [DATA ...] [--model lite] [--images 24]

DATA are folders or bags whose truth has segmentation with a class floor, and depth (docs/data.md, docs/evaluation.md). Height and tilt of
the camera, which TF gives a robot, are those of the plane through the true depth of the floor.

Scale: AbsRel of single images without and with the factor, over those images where the source was not refused, beside the AbsRel with the
best factor that there is. Free floor: of the cells that are called free, those that are so by true depth and classes (precision), and of
these, those that are found (recall); a cell next to a true one counts, for the truth is cut into cells too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.resources import find_model
from mtl_perception.core.scene import Depth, Segmentation
from mtl_perception.evaluation.samples import open_samples
from mtl_perception.inference.engine import Engine
from mtl_perception.spatial.depth_scale import scale_from_floor, scale_from_sizes, scaled
from mtl_perception.spatial.free_space import free_space, traversable_ids

LEAST_FLOOR, LARGEST_RESIDUAL_M = 2000, 0.05
"""Pixels of true floor, and their distance from a plane (root mean square) up to which it is one."""
CELL_M = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--images", type=int, default=24)
    options = parser.parse_args()
    engine = Engine.load(find_model(options.model))
    cv2.setNumThreads(1)
    for data in options.data:
        report(data, engine, options.images)


def report(data: Path, engine: Engine, images: int) -> None:
    labels = engine.card.segmentation_labels
    floor_id, ground_ids = labels.index("floor"), traversable_ids(labels)
    errors: dict[str, list[tuple[float, float, float]]] = {"floor": [], "sizes": []}
    cells, heights_m, seen = np.zeros(4), [], 0
    with open_samples(data, engine.card, images) as samples:
        for image_rgb, intrinsics, truth in samples:
            if truth.depth_m is None or truth.mask is None or intrinsics is None:
                continue
            seen += 1
            scene = engine(image_rgb, intrinsics, ["detection", "segmentation", "depth"])
            pose = ground_pose(truth.depth_m, truth.mask == floor_id, intrinsics)
            evidence = {"sizes": scale_from_sizes(scene.depth, scene.detections, engine.card.detection_labels, intrinsics)}
            if pose is not None:
                heights_m.append(pose[2, 3])
                evidence["floor"] = scale_from_floor(scene.depth, scene.segmentation, floor_id, intrinsics, pose[2, :3], pose[2, 3])
                cells += compared_cells(scene.depth, scene.segmentation, truth.depth_m, truth.mask, ground_ids, intrinsics, pose)
            for source, found in evidence.items():
                if found.problem is None:
                    best = best_factor(scene.depth.depth_m, truth.depth_m)
                    factors = (1.0, found.factor, best)
                    errors[source].append(tuple(abs_rel(scaled(scene.depth, one).depth_m, truth.depth_m) for one in factors))
    height = f"{np.median(heights_m):.2f} m above the floor" if heights_m else "no floor"
    print(f"{data.name}, {engine.card.name} {engine.card.version}: {seen} images, {len(heights_m)} with a plane floor ({height})")
    for source, found in errors.items():
        if found:
            without, corrected, least = np.mean(found, 0)
            print(f"  {source:6} {len(found):3d} images: AbsRel without {without:.3f}, with {corrected:.3f}, best factor {least:.3f}")
        else:
            print(f"  {source:6} refused everywhere")
    called, right, true, hit = cells
    if called and true:
        print(f"  free floor: {called:.0f} cells called free, precision {right / called:.3f}; {true:.0f} are, recall {hit / true:.3f}")


def ground_pose(depth_m: np.ndarray, is_floor: np.ndarray, intrinsics: Intrinsics) -> np.ndarray | None:
    """(4, 4) from the optical frame to one on the floor, z up; None where there is too little floor, or it is no plane."""
    rows, columns = np.nonzero(is_floor & (depth_m > 0) & np.isfinite(depth_m))
    if len(rows) < LEAST_FLOOR * depth_m.size / (640 * 480):
        return None
    z = depth_m[rows, columns].astype(np.float64)
    points = np.stack([(columns - intrinsics.cx) / intrinsics.fx * z, (rows - intrinsics.cy) / intrinsics.fy * z, z], 1)
    middle, up = points.mean(0), np.zeros(3)
    for _ in range(3):  # what stands on it may be labelled floor at its rim
        middle = points.mean(0)
        up = np.linalg.svd(points[:: max(1, len(points) // 5000)] - middle, full_matrices=False)[2][2]
        away_m = np.abs((points - middle) @ up)
        points = points[away_m <= max(2 * np.median(away_m), 0.01)]
    up *= -np.sign(up[1])  # against the image's y
    residual_m, height_m = float(np.sqrt(np.mean(np.square((points - middle) @ up)))), float(-middle @ up)
    if residual_m > LARGEST_RESIDUAL_M or height_m <= 0.05:
        return None
    forward = np.array([0.0, 0.0, 1.0]) - up[2] * up
    x = forward / np.linalg.norm(forward)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(up, x), up])
    pose[2, 3] = height_m
    return pose


def abs_rel(depth_m: np.ndarray, truth_m: np.ndarray) -> float:
    known = (truth_m > 0) & (depth_m > 0)
    return float(np.mean(np.abs(depth_m[known] - truth_m[known]) / truth_m[known]))


def best_factor(depth_m: np.ndarray, truth_m: np.ndarray) -> float:
    """The factor with the least AbsRel: a median of true ÷ found, weighted by found ÷ true."""
    known = (truth_m > 0) & (depth_m > 0)
    ratio = truth_m[known] / depth_m[known]
    order = np.argsort(ratio)
    weight = np.cumsum(1 / ratio[order])
    return float(ratio[order][np.searchsorted(weight, weight[-1] / 2)])


def compared_cells(
    depth: Depth,
    segmentation: Segmentation,
    truth_m: np.ndarray,
    mask: np.ndarray,
    ground_ids: Sequence[int],
    intrinsics: Intrinsics,
    pose: np.ndarray,
) -> np.ndarray:
    """Cells that are called free, those of them that are, cells that are free, and those of them that are found."""
    certain = Segmentation(mask, np.full(mask.shape, 255, np.uint8))
    exact = Depth(np.where(truth_m > 0, truth_m, np.nan).astype(np.float32))
    called, true = (
        as_grid(free_space(one, classes, ground_ids, intrinsics, pose).points_m, pose)
        for one, classes in ((depth, segmentation), (exact, certain))
    )
    near_true, near_called = (cv2.dilate(grid, np.ones((3, 3), np.uint8)) for grid in (true, called))
    return np.array([called.sum(), (called & near_true).sum(), true.sum(), (true & near_called).sum()], float)


def as_grid(points_m: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """(240, 240) uint8: 1 in each cell with a point."""
    grid = np.zeros((240, 240), np.uint8)
    on_floor = points_m @ pose[:3, :3].T
    column, row = (np.floor(on_floor[:, axis] / CELL_M).astype(int) + 120 for axis in (0, 1))
    grid[row, column] = 1
    return grid


if __name__ == "__main__":
    main()
