# SPDX-License-Identifier: Apache-2.0
"""Labels that a network strongly disagrees with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtl_perception.core.boxes import box_iou

SURE = 0.6
"""Least score of a box that stands against a label."""

FAINT = 0.1
"""A box of this score is already a sign that the network sees the labelled object."""

SAME_PLACE = 0.5
TOUCHES = 0.2


@dataclass(frozen=True)
class Doubt:
    """One label, or one that is missing.

    Attributes:
        kind: "missing": the network is sure of an object where no box is; "class": it is sure of another class in that place;
            "nothing": it sees nothing there, not even faintly.
        worth: by which doubts are ordered, 0 to 1.
        label: of the person; None for a missing one. said: of the network; None for nothing.
    """

    kind: str
    worth: float
    box_xyxy: tuple[float, float, float, float]
    label: str | None
    said: str | None


def doubts_of(
    boxes_xyxy: np.ndarray,
    labels: Sequence[str],
    said_xyxy: np.ndarray,
    said_labels: Sequence[str],
    scores: np.ndarray,
    known: Collection[str],
    labelled: Collection[str],
    image_area: float,
    reliability: Mapping[str, float] | None = None,
) -> list[Doubt]:
    """Returns the labels of one picture that a network disagrees with, the strongest doubt first.

    Args:
        boxes_xyxy, labels: of the people.
        said_xyxy, said_labels, scores: of the network, also faint ones.
        known: classes of the network; of others it has no say.
        labelled: classes whose objects all have boxes in this picture.
        reliability: by class, the share of its labelled objects that the network finds at all in this data set: where that is
            low, that it sees nothing means little.
    """
    found: list[Doubt] = []
    overlaps = box_iou(boxes_xyxy, said_xyxy) if len(boxes_xyxy) and len(said_xyxy) else np.zeros((len(boxes_xyxy), len(said_xyxy)))
    for row, (box, label) in enumerate(zip(boxes_xyxy, labels, strict=True)):
        if label not in known:
            continue
        same = np.array([name == label for name in said_labels], bool)
        if (same & (overlaps[row] > TOUCHES) & (scores >= FAINT)).any():
            continue
        others = np.flatnonzero(~same & (overlaps[row] > SAME_PLACE) & (scores >= SURE))
        if len(others):
            best = others[scores[others].argmax()]
            found.append(Doubt("class", float(scores[best]), _corners(box), label, said_labels[best]))
        elif not ((overlaps[row] > TOUCHES) & (scores >= FAINT)).any():
            # A small object that is not seen says little of its label.
            size = float(np.sqrt(max(0.0, (box[2] - box[0]) * (box[3] - box[1])) / image_area))
            worth = min(1.0, 2 * size) * (1.0 if reliability is None else reliability.get(label, 0.0))
            found.append(Doubt("nothing", worth, _corners(box), label, None))
    for column, (box, name) in enumerate(zip(said_xyxy, said_labels, strict=True)):
        if name in labelled and scores[column] >= SURE and not (overlaps[:, column] > TOUCHES).any():
            found.append(Doubt("missing", float(scores[column]), _corners(box), None, name))
    return sorted(found, key=lambda doubt: -doubt.worth)


def _corners(box: np.ndarray) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(value) for value in box)
    return left, top, right, bottom
