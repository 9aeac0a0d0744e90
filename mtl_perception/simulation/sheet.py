# SPDX-License-Identifier: Apache-2.0
"""A sheet of rendered views: each kind of place by day, by lamplight and in the dark; picture, mask and depth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mtl_perception.core.drawing import colorize_depth, colorize_mask
from mtl_perception.core.files import write_atomically
from mtl_perception.simulation.catalogue import CATALOGUES
from mtl_perception.simulation.dataset import DatasetSettings
from mtl_perception.simulation.mood import draw_mood
from mtl_perception.simulation.optics import CAMERAS
from mtl_perception.simulation.renderer import Renderer, open_renderer
from mtl_perception.simulation.room import places
from mtl_perception.simulation.textures import generator
from mtl_perception.simulation.views import choose_view, visible_objects

WIDTH, HEIGHT = 320, 240
_HOURS = ("day", "lamp", "dark")
_ROWS = (6, 7)


def write_sheet(
    path: Path,
    seed: int = 1,
    renderer: str = "filament",
    textures: str = "train",
    content: int = 1,
    camera: str = "mild",
    progress: bool = True,
) -> None:
    """Writes a PNG: rows of six or seven views, masks and depth below each. Boxes of parts of objects are drawn into the masks.

    Args:
        content, camera: as in :class:`~mtl_perception.simulation.dataset.DatasetSettings`.

    Raises:
        RendererError: this machine lacks the renderer's driver.
        ValueError: ``path`` is no PNG, or there is no such content or camera.
        OSError: ``path`` could not be written.
    """
    if path.suffix != ".png":
        raise ValueError(f"the sheet is a PNG, got {path}")
    settings = DatasetSettings(1, seed=seed, renderer=renderer, textures=textures, content=content, camera=camera)
    opened = open_renderer(renderer, WIDTH, HEIGHT)
    pairs = [(place, hour) for place in range(len(places(content))) for hour in range(len(_HOURS))]
    views = [_view(opened, *pair, settings) for pair in track(pairs, "rendering", disable=not progress)]
    row = next(row for row in _ROWS if len(views) % row == 0)
    rows = np.vstack([np.hstack(views[start : start + row]) for start in range(0, len(views), row)])
    sheet = cv2.resize(rows, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".png", sheet[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    write_atomically(path, encoded.tobytes())


def _view(renderer: Renderer, place: int, hour: int, settings: DatasetSettings) -> np.ndarray:
    """(3 HEIGHT, WIDTH, 3): a view's picture, mask and depth; whole rooms and small objects take turns."""
    rng = generator((settings.seed, place, hour), settings.textures)
    while (mood := draw_mood(rng)).name != _HOURS[hour]:
        pass
    _, build = list(places(settings.content).values())[place]
    catalogue = CATALOGUES[settings.content]
    room = build(rng, mood, catalogue)
    world = room.world.compile()
    renderer.load(world)
    kinds = ("over", "along", "through", "fronts") if catalogue.deep else ("eye level", "tabletop", "close-up")
    kinds = kinds if catalogue.held else ("room", "small")
    camera, pose = choose_view(rng, room, renderer, kinds[(place + hour) % len(kinds)])
    semantic, instance, depth_m = renderer.labels(camera, pose)
    mask = colorize_mask(semantic, catalogue.labels.segmentation)
    for obj in visible_objects(instance, world, pose).values():
        if obj.label not in catalogue.labels.segmentation:
            x1, y1, x2, y2 = (round(float(value)) for value in obj.box_xyxy)
            cv2.rectangle(mask, (x1, y1), (x2 - 1, y2 - 1), (255, 255, 255), 1)
    near_m, far_m = np.percentile(depth_m, [1, 99])
    return np.vstack([
        CAMERAS[settings.camera](rng, renderer.picture(camera, pose)),
        mask,
        colorize_depth(depth_m, 0.95 * float(near_m), 1.05 * float(far_m)),
    ])  # fmt: skip
