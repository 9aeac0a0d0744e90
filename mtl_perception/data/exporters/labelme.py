# SPDX-License-Identifier: Apache-2.0
"""labelme: pictures, each with a JSON beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.files import write_json
from mtl_perception.data.exporters.item import Item, ItemInstance, Labels

HOLDS = frozenset({"boxes", "masks", "classes", "unlabelled"})
_VERSION = "5.4.0"  # the first that has masks


def write_picture(item: Item, out: Path, labels: Labels) -> None:
    item.write_image(out / item.name)
    if item.instances is None and item.classes is None:
        return
    shapes = []
    for group, instance in enumerate(item.boxed):
        shapes += _shapes(item, instance, group)
    content = {
        "version": _VERSION,
        "flags": {} if item.classes is None else {name: name in item.classes for name in labels.classification},
        "shapes": shapes,
        "imagePath": PurePosixPath(item.name).name,
        "imageData": None,
        "imageHeight": item.height,
        "imageWidth": item.width,
    }
    write_json(out / f"{item.stem}.json", content)


def finish(records: Iterable[Any], out: Path, labels: Labels) -> None:
    pass


def _shapes(item: Item, instance: ItemInstance, group: int) -> list[dict[str, Any]]:
    """Several for an object of several outlines: one group_id."""
    x1, y1, x2, y2 = instance.box_xyxy
    rest: dict[str, Any] = {"label": instance.label, "group_id": None, "flags": {}, "description": ""}
    if instance.shape is None:
        return [rest | {"shape_type": "rectangle", "points": [[x1, y1], [x2, y2]]}]
    if isinstance(instance.shape, list):
        group_id = group if len(instance.shape) > 1 else None
        return [
            rest
            | {"shape_type": "polygon", "group_id": group_id, "points": [list(point) for point in zip(part[0::2], part[1::2], strict=True)]}
            for part in instance.shape
        ]
    mask = item.mask(instance)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    png = cv2.imencode(".png", mask[top : bottom + 1, left : right + 1].astype(np.uint8) * 255)[1].tobytes()
    points = [[left, top], [right, bottom]]
    return [rest | {"shape_type": "mask", "points": points, "mask": base64.b64encode(png).decode()}]
