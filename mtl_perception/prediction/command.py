# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception predict``: a source through the network into a folder."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from mtl_perception import __version__
from mtl_perception.core.geometry import ASSUMED_FIELD_OF_VIEW_DEG, Intrinsics
from mtl_perception.core.progress import columns
from mtl_perception.core.resources import find_model
from mtl_perception.core.unfinished import done_already, fingerprint
from mtl_perception.core.workers import Workers, in_order
from mtl_perception.prediction.camera import intrinsics_for
from mtl_perception.prediction.files import PredictionFiles
from mtl_perception.prediction.predictor import Look, Prediction, Predictor, scene_of
from mtl_perception.prediction.sources import Picture, Source
from mtl_perception.prediction.window import Window


@dataclass(frozen=True)
class CameraOptions:
    """The camera as the user describes it; what is given goes before what the source says."""

    focal_px: float | None = None
    fov_deg: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what is of no lens, or for both at once, before there is a picture."""
        if self.focal_px is not None and self.fov_deg is not None:
            raise ValueError("give one of --focal and --fov")
        if self.focal_px is not None and not 0 < self.focal_px < math.inf:
            raise ValueError(f"the focal length is {self.focal_px:g} pixels, expected a positive number")
        intrinsics_for(1, 1, fov_deg=self.fov_deg)

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
    workers: Workers = 1,
    window: Window | None = None,
) -> int:
    """Write what ``predictor`` says of every picture of ``source`` into ``out``.

    Goes on where an earlier call with the same arguments was cut off, other than with a camera or a stream.

    Args:
        limit: stop after so many pictures.
        workers: processes that look at pictures, each with a network of its own.
        window: shows each picture; the call ends when it is closed. Single pictures stay on it until then.

    Returns:
        How many there are, with those of the earlier call.

    Raises:
        SourceError: the source gives no picture.
        OSError: a file can't be written, or worker processes were killed again and again.
        KeyboardInterrupt: Ctrl-C; what was done until then is complete.
    """
    settings = _fingerprint(source, predictor, camera, points, limit) if source.files else None
    files = PredictionFiles(out, predictor.card, source.rate_hz, points, settings)
    if source.rate_hz is None:
        source.done.update(files.done)
    kept, complete = len(files.done), False
    done, without_camera, started_s = kept, sum(not known for known in files.done.values()), time.perf_counter()
    total = source.count if limit is None else min(limit, source.count or limit)
    if kept:
        console.print(done_already(kept, total), highlight=False)
    try:
        with Progress(*columns(), console=console) as bar:
            task = bar.add_task("predict", total=total, completed=done, note="")
            asked: deque[tuple[Picture, Intrinsics | None]] = deque()
            ask = scene_of if workers != 1 else lambda look: predictor(look.image_rgb, look.intrinsics).scene
            rest = islice(_undone(source, files), None if limit is None else max(0, limit - kept))
            for scene in in_order(ask, _looks(rest, predictor, camera, asked), workers):
                picture, intrinsics = asked.popleft()
                without_camera += intrinsics is None
                prediction = Prediction(picture.image_rgb, scene, predictor.card, intrinsics)
                files.add(picture.name, prediction, picture.file_name)
                done += 1
                bar.update(task, completed=done, note=f"{(done - kept) / (time.perf_counter() - started_s):.1f} images/s")
                if window is not None:
                    window.show(prediction.overlay_rgb)
                    if window.is_closed:
                        break
        complete = window is None or not window.is_closed or not source.files
    finally:
        files.close(complete)
        for reason in source.skipped:
            console.print(f"skipped: {reason}", style="yellow", markup=False, soft_wrap=True)  # a path stays whole
        _say(console, predictor, out, done, without_camera)
    if window is not None and source.rate_hz is None:
        window.wait()
    return done


def _fingerprint(source: Source, predictor: Predictor, camera: CameraOptions, points: bool, limit: int | None) -> dict[str, Any]:
    """Returns what must be the same for a call to go on."""
    model, device, precision, options = predictor.settings
    network = [model, fingerprint([find_model(model)]), device, precision, asdict(options)]
    return {
        "mtl_perception": __version__, "pictures": fingerprint(path.resolve() for path in source.files), "model": network,
        "camera": asdict(camera), "points": points, "limit": limit,
    }  # fmt: skip


def _undone(source: Source, files: PredictionFiles) -> Iterator[Picture]:
    """Yields the pictures that nobody has looked at."""
    for picture in source.pictures:
        if picture.name in files.done:
            files.add_again(picture.name, picture.image_rgb)
        else:
            yield picture


def _looks(
    pictures: Iterable[Picture], predictor: Predictor, camera: CameraOptions, asked: deque[tuple[Picture, Intrinsics | None]]
) -> Iterator[Look]:
    """Yields what workers are asked; the pictures themselves are kept in ``asked`` until their answers come."""
    for picture in pictures:
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
