# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception predict``: a source through the network into a folder."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from mtl_perception.core.geometry import ASSUMED_FIELD_OF_VIEW_DEG, Intrinsics
from mtl_perception.core.progress import columns
from mtl_perception.core.workers import in_order
from mtl_perception.prediction.camera import intrinsics_for
from mtl_perception.prediction.files import PredictionFiles
from mtl_perception.prediction.predictor import Look, Prediction, Predictor, scene_of
from mtl_perception.prediction.sources import Picture, Source


@dataclass(frozen=True)
class CameraOptions:
    """The camera as the user describes it; what is given goes before what the source says."""

    focal_px: float | None = None
    fov_deg: float | None = None

    def intrinsics(self, picture: Picture) -> Intrinsics | None:
        """Of ``picture``: from the options, else from the source, else from EXIF data, else None."""
        height, width = picture.image_rgb.shape[:2]
        told = intrinsics_for(width, height, focal_px=self.focal_px, fov_deg=self.fov_deg)
        return told or picture.intrinsics or intrinsics_for(width, height, focal_35mm=picture.focal_35mm)


def predict_source(
    source: Source,
    predictor: Predictor,
    out: Path,
    console: Console,
    camera: CameraOptions = CameraOptions(),
    points: bool = False,
    limit: int | None = None,
    workers: int = 1,
) -> int:
    """Write what ``predictor`` says of every picture of ``source`` into ``out``.

    Args:
        limit: stop after so many pictures.
        workers: processes that look at pictures, each with a network of its own.

    Returns:
        How many there were.

    Raises:
        SourceError: the source gives no picture.
        OSError: a file can't be written, or worker processes were killed again and again.
        KeyboardInterrupt: Ctrl-C; what was done until then is complete.
    """
    files = PredictionFiles(out, source.rate_hz, points)
    done, without_camera, started_s = 0, 0, time.perf_counter()
    total = source.count if limit is None else min(limit, source.count or limit)
    try:
        with Progress(*columns(), console=console) as bar:
            task = bar.add_task("predict", total=total, note="")
            asked: deque[tuple[Picture, Intrinsics | None]] = deque()
            ask = scene_of if workers > 1 else lambda look: predictor(look.image_rgb, look.intrinsics).scene
            for scene in in_order(ask, _looks(source, predictor, camera, asked, limit), workers):
                picture, intrinsics = asked.popleft()
                without_camera += intrinsics is None
                files.add(picture.name, Prediction(picture.image_rgb, scene, predictor.card, intrinsics))
                done += 1
                bar.update(task, completed=done, note=f"{done / (time.perf_counter() - started_s):.1f} images/s")
    finally:
        files.close()
        for reason in source.skipped:
            console.print(f"skipped: {reason}", style="yellow", markup=False, soft_wrap=True)  # a path stays whole
        _say(console, predictor, out, done, without_camera)
    return done


def _looks(
    source: Source, predictor: Predictor, camera: CameraOptions, asked: deque[tuple[Picture, Intrinsics | None]], limit: int | None
) -> Iterator[Look]:
    """Yields what workers are asked; the pictures themselves are kept in ``asked`` until their answers come."""
    for picture in islice(source.pictures, limit):
        intrinsics = camera.intrinsics(picture)
        asked.append((picture, intrinsics))
        yield Look(predictor.settings, picture.image_rgb, intrinsics)


def _say(console: Console, predictor: Predictor, out: Path, done: int, without_camera: int) -> None:
    if without_camera and any(task.kind == "depth" for task in predictor.card.tasks.values()):
        console.print(
            f"The camera of {without_camera} of {done} images is not known: their depth is metric only for a lens that sees "
            f"{ASSUMED_FIELD_OF_VIEW_DEG:.0f}° along the longer side; for another it is wrong by one factor. Give --fov or --focal.",
            markup=False,
        )
    console.print(f"{done} images: {out}", markup=False, highlight=False)
