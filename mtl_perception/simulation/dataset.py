# SPDX-License-Identifier: Apache-2.0
"""Renders a folder of labelled images: many rooms, several views of each.

    python -m mtl_perception.simulation.dataset --rooms 700 --out data/rooms_train --seed 1 --workers 4

The folder holds ``images/*.jpg``, ``semantic/*.png`` (mono8 ids, 255 unlabelled), ``depth/*.png`` (16-bit
millimetres, 0 invalid), ``annotations.json`` (COCO) and ``dataset.json``. Every finished room leaves one
file in ``rooms/``; a run that was interrupted goes on from there.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import mujoco
import numpy as np
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mtl_perception.geometry import Intrinsics
from mtl_perception.scene import UNLABELLED
from mtl_perception.simulation.camera import Pose, intrinsics, random_pose
from mtl_perception.simulation.labels import DETECTION_LABELS, SEGMENTATION_LABELS
from mtl_perception.simulation.plan import Room
from mtl_perception.simulation.renderer import Rendering, RoomRenderer, check_vulkan
from mtl_perception.simulation.room import furnished_room

FORMAT_VERSION = 1
TASKS = ["detection", "segmentation", "depth"]
MIN_BOX_PIXELS = 25
MIN_BOX_SIDE = 4
_ROOMS_PER_PROCESS = 40  # the renderer keeps some 5 MB of every room
_ROOMS_PER_MERGE = 20


@dataclass(frozen=True)
class DatasetSettings:
    """What makes a data set. Equal settings give equal labels, and equal images up to dithering."""

    rooms: int
    views: int = 8
    seed: int = 1
    width: int = 384
    height: int = 288

    def __post_init__(self) -> None:
        for name in ("rooms", "views", "width", "height"):
            if getattr(self, name) < 1:
                raise ValueError(f"rendered data set: {name} is {getattr(self, name)}, expected at least 1")
        if self.seed < 0:
            raise ValueError(f"rendered data set: seed is {self.seed}, expected 0 or more")


def render_dataset(out: Path, settings: DatasetSettings, workers: int = 1, progress: bool = True) -> None:
    """Renders ``settings`` into ``out``; rooms that are there already are kept.

    Raises:
        RendererError: this machine has no Vulkan driver.
        ValueError: ``out`` holds a data set of other settings.
    """
    check_vulkan()
    out = Path(out)
    for folder in ("images", "semantic", "depth", "rooms"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    _claim(out, settings)
    missing = [index for index in range(settings.rooms) if not _shard(out, index).exists()]
    columns = [
        TextColumn("rendering rooms"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    try:
        with Progress(*columns, disable=not progress) as bar:
            task = bar.add_task("rooms", total=settings.rooms, completed=settings.rooms - len(missing))
            batch = max(1, workers) * _ROOMS_PER_PROCESS
            for start in range(0, len(missing), batch):
                for _ in _render_rooms(out, settings, missing[start : start + batch], workers):
                    bar.advance(task)
                    if bar.tasks[task].completed % _ROOMS_PER_MERGE == 0:
                        merge_rooms(out)
    finally:
        merge_rooms(out)


def _render_rooms(out: Path, settings: DatasetSettings, rooms: list[int], workers: int) -> Iterator[int]:
    """Renders ``rooms`` in processes that end with them; gives each when it is done."""
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(max(1, min(workers, len(rooms))), mp_context=spawn, initializer=_start_worker)
    try:
        jobs = {pool.submit(_render_room, out, settings, index): index for index in rooms}
        for job in as_completed(jobs):
            job.result()
            yield jobs[job]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def instance_boxes(rendering: Rendering, instance_class: np.ndarray) -> list[dict]:
    """The tight box of every instance's visible pixels, as COCO annotations without ids.

    Instances with fewer than ``MIN_BOX_PIXELS`` visible pixels or a side below ``MIN_BOX_SIDE`` pixels are
    left out.
    """
    boxes = []
    for instance in np.unique(rendering.instance):
        if instance == 0:
            continue
        rows, columns = np.nonzero(rendering.instance == instance)
        x, y = int(columns.min()), int(rows.min())
        w, h = int(columns.max()) + 1 - x, int(rows.max()) + 1 - y
        if len(rows) < MIN_BOX_PIXELS or min(w, h) < MIN_BOX_SIDE:
            continue
        label = SEGMENTATION_LABELS[instance_class[instance]]
        category = DETECTION_LABELS.index(label)
        boxes.append({"category_id": category, "bbox": [x, y, w, h], "area": len(rows), "iscrowd": 0})
    return boxes


def depth_to_millimetres(depth_m: np.ndarray) -> np.ndarray:
    """(H, W) uint16; 0 where there is no depth or it does not fit."""
    millimetres = np.rint(depth_m * 1000)
    return np.where(np.isfinite(millimetres) & (millimetres < 65536), millimetres, 0).astype(np.uint16)


def merge_rooms(out: Path) -> None:
    """Writes ``annotations.json`` from the rooms that are finished."""
    images, annotations = [], []
    for shard in sorted((out / "rooms").glob("*.json")):
        for image in json.loads(shard.read_text()):
            boxes = image.pop("boxes")
            images.append({"id": len(images) + 1, **image})
            for box in boxes:
                annotations.append({"id": len(annotations) + 1, "image_id": len(images), **box})
    categories = [{"id": i, "name": name} for i, name in enumerate(DETECTION_LABELS)]
    _write_json(
        out / "annotations.json", {"images": images, "annotations": annotations, "categories": categories}
    )


def choose_view(
    rng: np.random.Generator, room: Room, renderer: RoomRenderer
) -> tuple[Intrinsics, Pose, tuple]:
    """A camera whose view shows something: not too near, not one surface only. Returns it with its labels."""
    for _ in range(12):
        camera = intrinsics(renderer.width, renderer.height, rng.uniform(55, 95))
        pose = random_pose(rng, room)
        labels = renderer.labels(camera, pose)
        semantic, _, depth_m = labels
        share = np.bincount(semantic.ravel(), minlength=256) / semantic.size
        near = np.percentile(depth_m, 2) > 0.25 and depth_m.min() > 0.12
        if near and share.max() < 0.7 and share[UNLABELLED] < 0.4 and (share > 0.015).sum() >= 3:
            break
    return camera, pose, labels


def _render_room(out: Path, settings: DatasetSettings, index: int) -> None:
    renderer = _renderer(settings.width, settings.height)
    room = furnished_room((settings.seed, index))
    world = room.world.compile()
    renderer.load(world)
    rng = np.random.default_rng((settings.seed, index, 1))
    images = []
    for view in range(settings.views):
        camera, pose, labels = choose_view(rng, room, renderer)
        rendering = Rendering(renderer.picture(camera, pose), *labels)
        stem = f"room{index:05d}_view{view:02d}"
        _write_image(out / "images" / f"{stem}.jpg", rendering.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        _write_image(out / "semantic" / f"{stem}.png", rendering.semantic)
        _write_image(out / "depth" / f"{stem}.png", depth_to_millimetres(rendering.depth_m))
        images.append({
            "file_name": f"{stem}.jpg", "width": settings.width, "height": settings.height, "room": index,
            "camera": {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy},
            "tasks": TASKS, "boxes": instance_boxes(rendering, world.instance_class),
        })  # fmt: skip
    _write_json(_shard(out, index), images)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent: the room at hand is finished
    os.environ["LP_NUM_THREADS"] = "1"  # the software driver; a process a core is faster than threads
    cv2.setNumThreads(1)


@functools.lru_cache(maxsize=1)
def _renderer(width: int, height: int) -> RoomRenderer:
    """One a process: it cannot be sent to another."""
    return RoomRenderer(width, height)


def _shard(out: Path, index: int) -> Path:
    return out / "rooms" / f"room{index:05d}.json"


def _claim(out: Path, settings: DatasetSettings) -> None:
    """Writes dataset.json, or checks that the one that is there agrees."""
    made_by = {key: value for key, value in asdict(settings).items() if key != "rooms"}
    description = {
        "format_version": FORMAT_VERSION,
        "segmentation_labels": list(SEGMENTATION_LABELS),
        "detection_labels": list(DETECTION_LABELS),
        "generator": "mtl_perception.simulation.dataset",
        "seed": settings.seed,
        "renderer": f"MuJoCo {mujoco.__version__}, Filament on Vulkan",
        "settings": made_by,
    }
    path = out / "dataset.json"
    if path.exists():
        found = json.loads(path.read_text()).get("settings")
        if found != made_by:
            raise ValueError(
                f"{out} holds a data set of {found}, asked for {made_by}; choose another folder or delete it"
            )
        return
    _write_json(path, description)


def _write_json(path: Path, content: object) -> None:
    """All or nothing: readers may look at any time."""
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(content))
    temporary.replace(path)


def _write_image(path: Path, image: np.ndarray, options: list[int] | None = None) -> None:
    if not cv2.imwrite(str(path), image, options or []):
        raise OSError(f"could not write {path}; is the disk full?")


def main() -> None:
    parser = argparse.ArgumentParser(description="Render rooms with exact labels.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rooms", type=int, required=True)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--height", type=int, default=288)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    a = parser.parse_args()
    render_dataset(a.out, DatasetSettings(a.rooms, a.views, a.seed, a.width, a.height), a.workers)


if __name__ == "__main__":
    main()
