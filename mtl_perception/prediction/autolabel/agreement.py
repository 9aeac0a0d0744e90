# SPDX-License-Identifier: Apache-2.0
"""Agreement of several views of a drive: whether they see the same object in the same place."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.prediction.autolabel.answers import Answers
from mtl_perception.prediction.autolabel.pictures import Pictures
from mtl_perception.prediction.autolabel.teachers import Boxes

MOST_VIEWS = 30
"""Views compared with each one: the nearest in the order of the drive."""

HIDDEN = 0.15
"""Share by which a surface may be nearer than the object is expected to be before it hides the object."""

CORE = 0.5
"""Share of a box's sides whose middle part stands for the object's depth: its edges show what is behind."""


@dataclass(frozen=True)
class PosedView:
    """A picture whose camera's place is known.

    Attributes:
        rotation, position_m: of the camera's optical frame in the fixed frame, (3, 3) and (3,).
        depth_m: (H, W) metres along the optical axis, 0 where unknown.
        boxes: those that the teacher sees in it.
    """

    intrinsics: Intrinsics
    rotation: np.ndarray
    position_m: np.ndarray
    depth_m: np.ndarray
    boxes: Boxes


def confirmed_boxes(folder: Pictures, answers: Answers, score: float, least: int) -> tuple[list[np.ndarray], int, int]:
    """Tell the boxes that ``least`` views see from those that fewer do though that many could.

    Returns:
        For each picture, by box, whether it may stay (without a pose or depth it may); how many boxes of at least ``score`` may not;
        how many pictures have a pose.
    """
    said = [answers.boxes(folder.name(i)) or Boxes() for i in range(len(folder.entries))]
    kept = [np.ones(len(boxes), bool) for boxes in said]
    drives: dict[tuple[str, str], list[int]] = {}
    for i, entry in enumerate(folder.entries):
        pose = folder.pose(i)
        if pose is not None and entry.camera is not None:
            drives.setdefault((entry.group, pose[0]), []).append(i)
    unconfirmed = 0
    for rows in drives.values():
        # What is faint in this view may be clear in another.
        strong = [np.flatnonzero(said[i].scores >= score / 2) for i in rows]
        views = _Drive(folder, answers, rows, [said[i].chosen(chosen) for i, chosen in zip(rows, strong, strict=True)])
        for i, chosen, (seen, could) in zip(rows, strong, views_that_agree(views), strict=True):
            weak = chosen[(could >= least) & (seen < least)]
            kept[i][weak] = False
            unconfirmed += int((said[i].scores[weak] >= score).sum())
    return kept, unconfirmed, sum(map(len, drives.values()))


class _Drive(Sequence[PosedView]):
    """The views of a drive; the depth of the last ones that were asked for stays in memory."""

    def __init__(self, folder: Pictures, answers: Answers, rows: Sequence[int], boxes: Sequence[Boxes]) -> None:
        self._folder, self._answers, self._rows, self._boxes = folder, answers, rows, boxes
        self._view = functools.lru_cache(2 * MOST_VIEWS)(self._read)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> PosedView:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._view(number)

    def _read(self, number: int) -> PosedView:
        i = self._rows[number]
        pose, intrinsics, entry = self._folder.pose(i), self._folder.intrinsics(i), self._folder.entries[i]
        assert pose is not None and intrinsics is not None
        depth_m = self._folder.depth_m(i)
        if depth_m is None:
            millimetres = self._answers.map(self._folder.name(i), "depth")
            shape = entry.height, entry.width
            depth_m = np.zeros(shape, np.float32) if millimetres is None else millimetres * np.float32(1e-3)
        return PosedView(intrinsics, pose[1][:3, :3], pose[1][:3, 3], depth_m, self._boxes[number])


def views_that_agree(views: Sequence[PosedView]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns for each view, by box: how many views see the object, this one among them, and how many could.

    An object's place is the middle of its box at the median depth there. Another view could see it where that place falls into its
    picture and no nearer surface hides it; it does where a box of the class contains it.
    """
    return [_seen_from(views, i) for i in range(len(views))]


def _seen_from(views: Sequence[PosedView], number: int) -> tuple[np.ndarray, np.ndarray]:
    view = views[number]
    seen, could = np.ones(len(view.boxes), int), np.ones(len(view.boxes), int)
    points = [_place(view, box) for box in view.boxes.boxes_xyxy]
    around = range(max(0, number - MOST_VIEWS), min(len(views), number + MOST_VIEWS + 1))
    others = sorted((i for i in around if i != number), key=lambda i: abs(i - number))[:MOST_VIEWS]
    for other in (views[i] for i in others):
        for row, point in enumerate(points):
            if point is None or (pixel := _pixel(other, point)) is None:
                continue
            could[row] += 1
            left, top, right, bottom = other.boxes.boxes_xyxy.T
            inside = (left <= pixel[0]) & (pixel[0] < right) & (top <= pixel[1]) & (pixel[1] < bottom)
            seen[row] += bool((inside & (other.boxes.class_ids == view.boxes.class_ids[row])).any())
    return seen, could


def _place(view: PosedView, box: np.ndarray) -> np.ndarray | None:
    """(3,) metres in the fixed frame; None where no depth is known in the middle of the box."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * CORE / 2
    (x1, y1), (x2, y2) = np.floor(centre - half).astype(int).clip(0), np.ceil(centre + half).astype(int) + 1
    depths = view.depth_m[y1:y2, x1:x2]
    depths = depths[depths > 0]
    if not len(depths):
        return None
    lens, z = view.intrinsics, float(np.median(depths))
    ray = np.array([(centre[0] - lens.cx) / lens.fx, (centre[1] - lens.cy) / lens.fy, 1.0])
    return view.rotation @ (ray * z) + view.position_m


def _pixel(view: PosedView, point_m: np.ndarray) -> tuple[float, float] | None:
    """Where a view shows a place; None where it does not."""
    x, y, z = view.rotation.T @ (point_m - view.position_m)
    if z <= 0.05:
        return None
    lens = view.intrinsics
    u, v = lens.fx * x / z + lens.cx, lens.fy * y / z + lens.cy
    if not (0 <= u <= lens.width - 1 and 0 <= v <= lens.height - 1):
        return None
    there = view.depth_m[round(v), round(u)]
    return None if 0 < there < z * (1 - HIDDEN) else (u, v)
