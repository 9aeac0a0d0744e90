# SPDX-License-Identifier: Apache-2.0
"""Panels of one frame, side by side: for the film, the contact sheet and the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.drawing import colorize_depth, colorize_mask, draw_overlay
from mtl_perception.core.scene import Scene
from mtl_perception.evaluation import Truth
from mtl_perception.pipeline import published

"""Boxes below this score are not drawn, as the node leaves them out."""

_INK = (231, 233, 238)
_DIM = (150, 156, 168)
_PAPER = (17, 18, 22)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Look:
    """Shared by all pictures of a demo: the model's card, and one range of depth so that colours compare."""

    card: Any
    near_m: float
    far_m: float

    def overlay(self, image_rgb: np.ndarray, scene: Scene) -> np.ndarray:
        return draw_overlay(image_rgb, published(scene), self.card)

    def mask(self, mask: np.ndarray) -> np.ndarray:
        return colorize_mask(mask, self.card.segmentation_labels)

    def depth(self, depth_m: np.ndarray) -> np.ndarray:
        return colorize_depth(depth_m, self.near_m, self.far_m)

    def panels(self, image_rgb: np.ndarray, scene: Scene, truth: Truth | None = None) -> dict[str, np.ndarray]:
        """Caption → picture, all of the image's size: what was found, then the camera and what is true."""
        panels = {"boxes and mask": self.overlay(image_rgb, scene)}
        if scene.segmentation is not None:
            panels["segmentation"] = self.mask(scene.segmentation.mask)
        if scene.depth is not None:
            panels["depth"] = self.depth(scene.depth.depth_m)
        panels["camera"] = image_rgb
        if truth is not None and truth.mask is not None:
            panels["true segmentation"] = self.mask(truth.mask)
        if truth is not None and truth.depth_m is not None:
            panels["true depth"] = self.depth(truth.depth_m)
        return panels


def contact_sheet(rows: list[tuple[str, dict[str, np.ndarray]]], tile_width: int = 320) -> np.ndarray:
    """A grid of panels, one row a frame, the caption of a column above it and that of a row at its left.

    Args:
        rows: (caption, panels) of each frame; all frames have the same panels.
        tile_width: of one picture, pixels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    first = next(iter(rows[0][1].values()))
    tile_height = round(tile_width * first.shape[0] / first.shape[1])
    gap, head, margin = 8, 34, 78
    columns = list(rows[0][1])
    height = head + len(rows) * (tile_height + gap)
    width = margin + len(columns) * (tile_width + gap)
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    for column, caption in enumerate(columns):
        _write(sheet, caption, margin + column * (tile_width + gap), head - 12, 0.52, _INK)
    for row, (caption, panels) in enumerate(rows):
        top = head + row * (tile_height + gap)
        for line, text in enumerate(caption.splitlines()):
            _write(sheet, text, 12, top + 18 + 20 * line, 0.46, _INK if line == 0 else _DIM)
        for column, name in enumerate(columns):
            left = margin + column * (tile_width + gap)
            tile = cv2.resize(panels[name], (tile_width, tile_height), interpolation=cv2.INTER_AREA)
            sheet[top : top + tile_height, left : left + tile_width] = tile
    return sheet


def film_frame(look: Look, image_rgb: np.ndarray, scene: Scene, caption: str, remark: str) -> np.ndarray:
    """One picture of the film: the overlay, mask and depth at half size beside it, a line of text below.

    Returns:
        (H + 36, 1.5 W, 3) uint8 RGB, sides even.
    """
    height, width = image_rgb.shape[0] // 4 * 4, image_rgb.shape[1] // 4 * 4
    canvas = np.full((height + 36, width + width // 2, 3), _PAPER, np.uint8)
    canvas[:height, :width] = look.overlay(image_rgb, scene)[:height, :width]
    small = width // 2, height // 2
    if scene.depth is not None:
        canvas[: height // 2, width:] = cv2.resize(look.depth(scene.depth.depth_m), small, interpolation=cv2.INTER_AREA)
    if scene.segmentation is not None:
        mask = look.mask(scene.segmentation.mask)
        canvas[height // 2 : height, width:] = cv2.resize(mask, small, interpolation=cv2.INTER_AREA)
    _tag(canvas, f"depth  {look.near_m:.1f} to {look.far_m:.1f} m", width + 8, 8)
    _tag(canvas, "segmentation", width + 8, height // 2 + 8)
    _write(canvas, caption, 12, height + 23, 0.5, _INK)
    size, _ = cv2.getTextSize(remark, _FONT, 0.5, 1)
    _write(canvas, remark, canvas.shape[1] - size[0] - 12, height + 23, 0.5, _DIM)
    return canvas


def depth_range(depths_m: list[np.ndarray]) -> tuple[float, float]:
    """One range for a whole drive: nearly all of its depth, in steps of half a metre at the far end."""
    known = [depth_m[::8, ::8][np.isfinite(depth_m[::8, ::8]) & (depth_m[::8, ::8] > 0)] for depth_m in depths_m]
    known_m = np.concatenate(known) if known else np.zeros(0)
    if not len(known_m):
        return 0.3, 8.0
    near_m, far_m = np.percentile(known_m, [1, 99])
    return max(0.1, float(np.floor(near_m * 10) / 10)), float(np.ceil(far_m * 2) / 2)


def _tag(canvas: np.ndarray, text: str, x: int, y: int) -> None:
    """A caption on a dark ground in the corner of a picture."""
    (width, height), descent = cv2.getTextSize(text, _FONT, 0.42, 1)
    area = canvas[y : y + height + descent + 8, x : x + width + 12]
    area[:] = (area * 0.35 + np.array(_PAPER) * 0.65).astype(np.uint8)
    _write(canvas, text, x + 6, y + height + 4, 0.42, _INK)


def _write(canvas: np.ndarray, text: str, x: int, baseline: int, size: float, color: tuple[int, int, int]) -> None:
    cv2.putText(canvas, text, (x, baseline), _FONT, size, color, 1, cv2.LINE_AA)
