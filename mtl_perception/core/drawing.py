# SPDX-License-Identifier: Apache-2.0
"""Pictures of a scene for people: boxes, masks and depth in colours that stay the same from run to run."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from mtl_perception.core.instances import InstanceMasks
from mtl_perception.core.scene import Depth, Detections, Scene, Segmentation

Color = tuple[int, int, int]

# What fills a room is muted, what stands in it is vivid, so that objects stand out of their background.
_PALETTE: dict[str, Color] = {
    "floor": (148, 128, 106),
    "wall": (104, 124, 158),
    "ceiling": (190, 196, 204),
    "door": (232, 138, 36),
    "window": (92, 200, 248),
    "table": (178, 106, 64),
    "chair": (236, 72, 128),
    "shelf": (138, 112, 224),
    "cabinet": (44, 150, 132),
    "box": (222, 178, 104),
    "can": (228, 52, 44),
    "bottle": (66, 196, 76),
    "cup": (62, 118, 246),
    "bowl": (252, 210, 40),
    "fruit": (255, 122, 96),
    "book": (196, 84, 214),
    "bin": (172, 222, 60),
}
_NOTHING: Color = (26, 27, 32)
_TURBO_ENDS = 24, 238
"""Part of the colour map that is used: its ends are as dark as what is unknown."""
_SHADES = (1.0, 0.7, 1.25, 0.85, 1.1)
"""Of a class's colour, for one object after the other."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX


class Card(Protocol):
    """The part of a model's card that drawing needs."""

    segmentation_labels: Sequence[str]
    detection_labels: Sequence[str]


def class_color(name: str) -> Color:
    """RGB of a class: chosen by hand for the shipped models' classes, else a stable function of the name."""
    if name in _PALETTE:
        return _PALETTE[name]
    digest = zlib.crc32(name.encode())
    hue, value = digest % 360 / 360, 0.75 + (digest // 360 % 3) * 0.1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def colorize_mask(mask: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Class ids to colours.

    Args:
        mask: (H, W) uint8 class ids; an id without a label is drawn near black.
        labels: class names in the order of the ids.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    table = np.full((256, 1, 3), _NOTHING, np.uint8)
    for class_id, name in enumerate(labels[:256]):
        table[class_id, 0] = class_color(name)
    return cv2.applyColorMap(np.ascontiguousarray(mask, dtype=np.uint8), table)


def colorize_ids(ids: np.ndarray) -> np.ndarray:
    """(H, W) numbers of objects, 0 for none, as (H, W, 3) uint8 RGB: neighbouring numbers look unlike each other."""
    hues = (np.arange(256) * 0.618034) % 1  # by the golden ratio, as far apart as can be
    table = np.array([[round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.65, 0.95)] for hue in hues], np.uint8)
    return np.where((ids > 0)[..., None], table[ids % 256], np.uint8(_NOTHING))


SOURCE_COLORS = ((0, 0, 0), (70, 110, 220), (60, 200, 90))
"""Of depth from nowhere, from the network and from a sensor."""


def colorize_source(source: np.ndarray) -> np.ndarray:
    """(H, W) uint8, where depth is from, as (H, W, 3) uint8 RGB in ``SOURCE_COLORS``; white for other values."""
    table = np.full((256, 3), 255, np.uint8)
    table[: len(SOURCE_COLORS)] = SOURCE_COLORS
    return table[source]


def colorize_normals(vectors: np.ndarray) -> np.ndarray:
    """(H, W, 3) unit vectors of an optical frame as (H, W, 3) uint8 RGB: red to the right, green up, blue to the camera; black where unknown."""
    known = np.isfinite(vectors).all(-1, keepdims=True) & (np.abs(vectors) > 0).any(-1, keepdims=True)
    return np.where(known, (np.clip(np.nan_to_num(vectors) * (1, -1, -1), -1, 1) + 1) * 127.5, 0).astype(np.uint8)


def colorize_depth(depth_m: np.ndarray, near_m: float, far_m: float) -> np.ndarray:
    """Metres to colours, warm near and cold far, logarithmic: 10 % of depth is then one step everywhere.

    Args:
        depth_m: (H, W) float metres; what is not a positive finite number is drawn near black.
        near_m: depth of the warmest colour; nearer is clamped.
        far_m: depth of the coldest colour; farther is clamped.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: not ``0 < near_m < far_m``.
    """
    if not 0 < near_m < far_m < np.inf:
        raise ValueError(f"depth range {near_m} m to {far_m} m, expected 0 < near < far")
    depth_m = np.ascontiguousarray(depth_m, dtype=np.float32)
    valid = (depth_m > 0) & (depth_m < np.inf)
    log_depth = cv2.log(np.where(valid, depth_m, np.float32(near_m)))
    cold, warm = _TURBO_ENDS
    nearness = (np.log(far_m) - log_depth) * np.float32((warm - cold) / np.log(far_m / near_m))
    # Not cv2.min() and cv2.max(): of an image of one pixel and a number they make four.
    index = np.clip(nearness + np.float32(cold + 0.5), np.float32(cold), np.float32(warm)).astype(np.uint8)
    picture = cv2.cvtColor(cv2.applyColorMap(index, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    picture[~valid] = _NOTHING
    return picture


def draw_overlay(image_rgb: np.ndarray, scene: Scene, card: Card, ids: Sequence[str] | None = None) -> np.ndarray:
    """The image with everything the network said of it.

    The mask tints the image and has its borders traced, and so does each detection's own mask, where there are such;
    each box carries its class, its score and, where depth is known and the box is wide enough, its distance. In a crowd,
    where labels would cover each other, the weaker boxes have only their colour. Without a mask, depth tints the image
    instead.

    Args:
        image_rgb: (H, W, 3) uint8, any strides; left as it is.
        scene: the result for this image.
        card: names the classes.
        ids: what each detection is known by over time, such as the number of its track; empty for none.

    Returns:
        (H, W, 3) uint8 RGB, a new array.
    """
    if scene.segmentation is not None:
        canvas = _tint_with_mask(image_rgb, scene.segmentation, card.segmentation_labels)
    elif scene.depth is not None:
        canvas = _tint_with_depth(image_rgb, scene.depth)
    else:
        canvas = np.array(image_rgb, order="C")
    if scene.detections is not None:
        names = [card.detection_labels[class_id] for class_id in scene.detections.class_ids]
        if ids is not None:
            names = [f"{name} #{id}" if id else name for name, id in zip(names, ids)]
        colors = [class_color(card.detection_labels[class_id]) for class_id in scene.detections.class_ids]
        masks = scene.instance_masks
        if masks is not None:
            canvas = tint_with_instances(canvas, masks, [card.detection_labels[class_id] for class_id in scene.detections.class_ids])
        _draw_boxes(canvas, scene.detections, names, colors, scene.depth)
    return canvas


def tint_with_instances(image_rgb: np.ndarray, masks: InstanceMasks, labels: Sequence[str]) -> np.ndarray:
    """The image with each object in a shade of its class's colour of its own, and its border traced: objects of one class stay apart.

    Args:
        image_rgb: (H, W, 3) uint8; left as it is.
        masks: of objects in it.
        labels: class of each.

    Returns:
        (H, W, 3) uint8 RGB, a new array.
    """
    canvas = np.array(image_rgb, order="C")
    if not len(masks):
        return canvas
    # One number an object; two objects may share one where there are more than 255, which nobody can tell apart anyway.
    ids = masks.painted([1 + number % 255 for number in range(len(masks))], np.uint8)
    table = np.zeros((256, 1, 3), np.uint8)
    for number, label in reversed(list(enumerate(labels))):
        table[1 + number % 255, 0] = np.clip(np.multiply(class_color(label), _SHADES[number % len(_SHADES)]), 0, 255)
    colors = cv2.applyColorMap(ids, table)
    border = cv2.morphologyEx(ids, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    cv2.copyTo(cv2.addWeighted(canvas, 0.5, colors, 0.5, 0.0), ids, canvas)
    cv2.copyTo(cv2.addWeighted(canvas, 0.1, colors, 0.9, 0.0), cv2.min(border, ids), canvas)
    return canvas


def _tint_with_mask(image_rgb: np.ndarray, segmentation: Segmentation, labels: Sequence[str]) -> np.ndarray:
    mask = np.ascontiguousarray(segmentation.mask)
    image = np.ascontiguousarray(image_rgb)
    colors = colorize_mask(mask, labels)
    canvas = cv2.addWeighted(image, 0.62, colors, 0.38, 0.0)
    border = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
    cv2.copyTo(cv2.addWeighted(image, 0.2, colors, 0.8, 0.0), border, canvas)
    # Not cv2.compare(): with a number it refuses a mask of one pixel, which it takes for a number too.
    cv2.copyTo(image, cv2.inRange(mask, len(labels), 255), canvas)
    return canvas


def _tint_with_depth(image_rgb: np.ndarray, depth: Depth) -> np.ndarray:
    valid_m = depth.depth_m[::8, ::8]
    valid_m = valid_m[np.isfinite(valid_m) & (valid_m > 0)]
    if not len(valid_m):
        return np.array(image_rgb, order="C")
    near_m, far_m = np.percentile(valid_m, [1, 99])
    colors = colorize_depth(depth.depth_m, float(near_m) * 0.95, float(far_m) * 1.05)
    return cv2.addWeighted(np.ascontiguousarray(image_rgb), 0.5, colors, 0.5, 0.0)


def _draw_boxes(canvas: np.ndarray, detections: Detections, names: Sequence[str], colors: Sequence[Color], depth: Depth | None) -> None:
    height, width = canvas.shape[:2]
    scale = float(np.clip(min(height, width) / 480, 0.5, 3.0))
    line = max(1, round(2 * scale))
    edges = np.rint(np.clip(detections.boxes_xyxy, 0, [width, height, width, height])).astype(int)
    placed: list[_Chip] = []
    for box, score, name, color in zip(edges.tolist(), detections.scores, names, colors):
        x1, _, x2, _ = box
        chip = _Chip(f"{name} {score:.2f}", tuple(box), color, scale)
        if depth is not None and (distance_m := _distance_m(depth, *box)) is not None:
            longer = _Chip(f"{chip.text}  {distance_m:.1f} m", box, chip.color, scale)
            if longer.width <= max(x2 - x1, chip.width):  # the distance must not make the chip hide more than its box
                chip = longer
        chip.is_shown = chip.place(canvas.shape, placed)
        placed.append(chip)
    shadow = canvas.copy()
    for chip in placed:
        cv2.rectangle(shadow, *chip.box_corners, _NOTHING, line + 2)
    cv2.addWeighted(shadow, 0.5, canvas, 0.5, 0.0, dst=canvas)
    # The best detection is first in the list and is drawn last, on top of the others.
    for chip in reversed(placed):
        cv2.rectangle(canvas, *chip.box_corners, chip.color, line)
    for chip in reversed(placed):
        if chip.is_shown:
            chip.draw(canvas)


def _distance_m(depth: Depth, x1: int, y1: int, x2: int, y2: int) -> float | None:
    """Median depth of the middle half of a box, from at most some 16 × 16 of its pixels."""
    inset_x, inset_y = (x2 - x1) // 4, (y2 - y1) // 4
    middle_m = depth.depth_m[y1 + inset_y : y2 - inset_y, x1 + inset_x : x2 - inset_x]
    middle_m = middle_m[:: max(1, middle_m.shape[0] // 16), :: max(1, middle_m.shape[1] // 16)]
    known_m = middle_m[np.isfinite(middle_m)]
    return float(np.median(known_m)) if len(known_m) else None


class _Chip:
    """The label of one box: where it stands and how it looks."""

    def __init__(self, text: str, box: tuple[int, int, int, int], color: Color, scale: float) -> None:
        self.text, self.box, self.color, self.scale = text, box, color, scale
        self.pad = max(2, round(3 * scale))
        (text_width, self.text_height), self.descent = cv2.getTextSize(text, _FONT, 0.4 * scale, 1)
        self.width = text_width + 2 * self.pad
        self.height = self.text_height + self.descent + 2 * self.pad - 2
        self.x = self.y = 0
        self.is_shown = True

    @property
    def box_corners(self) -> tuple[tuple[int, int], tuple[int, int]]:
        x1, y1, x2, y2 = self.box
        return (x1, y1), (max(x1, x2 - 1), max(y1, y2 - 1))

    def place(self, shape: tuple[int, ...], placed: list[_Chip]) -> bool:
        """Take the first free place above, inside or below the box. False if there is none."""
        x1, y1, _, y2 = self.box
        highest_y = max(0, shape[0] - self.height)
        self.x = min(x1, max(0, shape[1] - self.width))
        places = [y1 - self.height, y1, y2, y2 - self.height, y1 - 2 * self.height]
        places = [y for y in places if 0 <= y <= highest_y] or [min(max(y1 - self.height, 0), highest_y)]
        for self.y in places:
            if not any(other.is_shown and self._overlaps(other) for other in placed):
                return True
        return False

    def _overlaps(self, other: _Chip) -> bool:
        apart_x = self.x + self.width <= other.x or other.x + other.width <= self.x
        apart_y = self.y + self.height <= other.y or other.y + other.height <= self.y
        return not (apart_x or apart_y)

    def draw(self, canvas: np.ndarray) -> None:
        last = self.x + self.width - 1, self.y + self.height - 1
        cv2.rectangle(canvas, (self.x, self.y), last, self.color, cv2.FILLED)
        red, green, blue = self.color
        ink = (16, 17, 20) if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else (255, 255, 255)
        baseline = self.y + self.pad - 1 + self.text_height
        cv2.putText(canvas, self.text, (self.x + self.pad, baseline), _FONT, 0.4 * self.scale, ink, 1, cv2.LINE_AA)
