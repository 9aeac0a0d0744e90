# SPDX-License-Identifier: Apache-2.0
"""KITTI's object set: image_2/, label_2/, calib/."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mtl_perception.core.files import write_atomically
from mtl_perception.data.exporters.item import Item, ItemInstance, Labels

HOLDS = frozenset({"boxes", "boxes_3d", "camera", "unlabelled"})
_UPRIGHT = 1e-3


def write_picture(item: Item, out: Path, labels: Labels) -> None:
    stem = item.stem.replace("/", "--")
    suffix = item.name.rpartition(".")[2]
    item.write_image(out / "image_2" / f"{stem}.{suffix}")
    if item.instances is not None:
        text = "".join(f"{_line(item, instance)}\n" for instance in item.boxed)
        write_atomically(out / "label_2" / f"{stem}.txt", text.encode(), durable=False)
    if item.camera is not None:
        camera = item.camera
        values = (camera.fx, 0, camera.cx, 0, 0, camera.fy, camera.cy, 0, 0, 0, 1, 0)
        write_atomically(out / "calib" / f"{stem}.txt", f"P2: {' '.join(f'{value:.12g}' for value in values)}\n".encode(), durable=False)


def finish(records: Iterable[Any], out: Path, labels: Labels) -> None:
    pass


def _line(item: Item, instance: ItemInstance) -> str:
    name = instance.label.replace(" ", "_")
    item.notes.add("class names with spaces, which become _", instance.label, int(name != instance.label))
    box = " ".join(f"{value:.2f}" for value in instance.box_xyxy)
    return f"{name} 0.00 0 -10 {box} {_in_space(item, instance)}"


def _in_space(item: Item, instance: ItemInstance) -> str:
    """Height, width, length, the middle of the floor, the turn about the camera's y axis."""
    nothing = "-1 -1 -1 -1000 -1000 -1000 -10"
    if instance.box_3d is None:
        return nothing
    x, y, z, w = instance.box_3d["quaternion_xyzw"]
    if math.hypot(x, z) > _UPRIGHT:
        item.notes.add("boxes in space that are turned about another axis than the camera's y, left out", item.name)
        return nothing
    length, height, width = instance.box_3d["size_m"]
    center = instance.box_3d["center_m"]
    values = (height, width, length, center[0], center[1] + height / 2, center[2], 2 * math.atan2(y, w))
    return " ".join(f"{value:.5f}" for value in values)
