# SPDX-License-Identifier: Apache-2.0
"""A sheet of rendered views: each kind of place by day, by lamplight and in the dark; picture, mask and depth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mtl_perception.drawing import colorize_depth, colorize_mask
from mtl_perception.files import write_atomically
from mtl_perception.simulation.labels import SEGMENTATION_LABELS
from mtl_perception.simulation.mood import draw_mood
from mtl_perception.simulation.optics import through_camera
from mtl_perception.simulation.renderer import Renderer, open_renderer
from mtl_perception.simulation.room import PLACES
from mtl_perception.simulation.textures import generator
from mtl_perception.simulation.views import choose_view

WIDTH, HEIGHT = 320, 240
_HOURS = ("day", "lamp", "dark")


def write_sheet(
    path: Path, seed: int = 1, renderer: str = "filament", textures: str = "train", progress: bool = True
) -> None:
    """Writes a PNG: two rows of six views, masks and depth below each.

    Raises:
        RendererError: this machine lacks the renderer's driver.
        OSError: ``path`` could not be written.
    """
    if path.suffix != ".png":
        raise ValueError(f"the sheet is a PNG, got {path}")
    opened = open_renderer(renderer, WIDTH, HEIGHT)
    pairs = [(place, hour) for place in range(len(PLACES)) for hour in range(len(_HOURS))]
    views = [_view(opened, *pair, seed, textures) for pair in track(pairs, "rendering", disable=not progress)]
    half = len(views) // 2
    rows = np.vstack([np.hstack(views[:half]), np.hstack(views[half:])])
    sheet = cv2.resize(rows, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode(".png", sheet[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    write_atomically(path, content.tobytes())


def _view(renderer: Renderer, place: int, hour: int, seed: int, textures: str) -> np.ndarray:
    """(3 HEIGHT, WIDTH, 3): a view's picture, mask and depth; whole rooms and small things take turns."""
    rng = generator((seed, place, hour), textures)
    while (mood := draw_mood(rng)).name != _HOURS[hour]:
        pass
    _, build = list(PLACES.values())[place]
    room = build(rng, mood)
    renderer.load(room.world.compile())
    camera, pose = choose_view(rng, room, renderer, "small" if (place + hour) % 2 else "room")
    semantic, _, depth_m = renderer.labels(camera, pose)
    near_m, far_m = np.percentile(depth_m, [1, 99])
    return np.vstack([
        through_camera(rng, renderer.picture(camera, pose)),
        colorize_mask(semantic, SEGMENTATION_LABELS),
        colorize_depth(depth_m, 0.95 * float(near_m), 1.05 * float(far_m)),
    ])  # fmt: skip
