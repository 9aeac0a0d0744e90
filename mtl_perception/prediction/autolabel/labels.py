# SPDX-License-Identifier: Apache-2.0
"""Labels of people and of a teacher in one entry of a data folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.files import write_atomically
from mtl_perception.data.errors import DataError
from mtl_perception.data.format import TASKS, Description
from mtl_perception.prediction.autolabel.answers import Answers
from mtl_perception.prediction.autolabel.pictures import Pictures
from mtl_perception.prediction.autolabel.teachers import Boxes, Teacher
from mtl_perception.tasks import LABELS, MapCodec

_ANNOTATION = ("label", "bbox", "area", "iscrowd", "segmentation", "box_3d", "score")
_MADE_ANEW = ("id", "tasks", "camera", "detection_labels")


class LabelLists:
    """Class names of the new set, those of people first, so that their ids stay.

    Attributes:
        lists: for dataset.json.
        tasks: that the teacher is asked for.
    """

    def __init__(self, descriptions: Sequence[Description], teacher: Teacher, tasks: Sequence[str]) -> None:
        self.tasks, self.of_teacher = tasks, teacher.labels
        self.lists: dict[str, list[str]] = {}
        for kind in TASKS:
            if not LABELS[kind].has_classes:
                continue
            own = max((description.labels(kind) for description in descriptions), key=len)
            names = list(dict.fromkeys([*own, *(teacher.labels[kind] if kind in tasks else [])]))
            most = LABELS[kind].most_classes
            if most is not None and len(names) > most:
                raise DataError(f"{len(names)} classes of {kind}, of people and the teacher together; expected at most {most}", "labels")
            if names or LABELS[kind].is_listed:
                self.lists[f"{kind}_labels"] = names


def labelled_entry(
    folder: Pictures, i: int, answers: Answers, confirmed: np.ndarray, score: float, labels: LabelLists, out: Path
) -> tuple[dict[str, Any] | None, int]:
    """Write the files of a picture and of its labels below ``out``.

    Args:
        confirmed: (N,) bool, of the teacher's boxes.
        score: least one of a box.

    Returns:
        Its entry, as ``IndexWriter`` takes it, None where nobody labels anything in it; and how many boxes of the teacher it has.
    """
    entry, raw, name = folder.entries[i], folder.raw[i], folder.name(i)
    tasks, objects, new = list(entry.tasks), folder.annotations.get(entry.id, []), []
    labelled = list(_wholly_labelled(folder, i))
    said = answers.boxes(name) if "detection" in labels.tasks else None
    if said is not None:
        new = _objects(said.chosen((said.scores >= score) & confirmed), labels.of_teacher["detection"], labelled, entry.width, entry.height)
        tasks += ["detection"] if new and "detection" not in tasks else []
    for kind, codec in LABELS.items():
        if not isinstance(codec, MapCodec):
            continue
        file = folder.label_file(i, codec)
        if kind in tasks:
            copy(folder.root / file, out / file)
        elif kind in labels.tasks and not (codec.needs_camera and entry.camera is None):
            stored = answers.map(name, kind)
            if stored is not None:
                if codec.has_classes:
                    stored = _renumbered(stored, labels.of_teacher[kind], labels.lists[f"{kind}_labels"])
                write_atomically(out / file, cv2.imencode(".png", stored)[1].tobytes(), durable=False)
                tasks.append(kind)
    if not tasks:
        return None, 0
    copy(folder.image_file(i), out / "images" / entry.file_name)
    made = {key: value for key, value in raw.items() if key not in _MADE_ANEW}
    lens = folder.lens(i)
    if lens is not None:
        made["camera"] = lens
    if "detection" in tasks:
        made["detection_labels"] = labelled
    annotations = [{key: obj[key] for key in _ANNOTATION if obj.get(key) is not None} for obj in [*objects, *new]]
    return {**made, "tasks": [kind for kind in TASKS if kind in tasks], "annotations": annotations}, len(new)


def _wholly_labelled(folder: Pictures, i: int) -> Sequence[str]:
    """The classes whose objects people have all labelled in a picture."""
    entry = folder.entries[i]
    if "detection" not in entry.tasks:
        return ()
    return folder.index.description.labels("detection") if entry.detection_labels is None else entry.detection_labels


def _objects(boxes: Boxes, names: Sequence[str], labelled: Sequence[str], width: int, height: int) -> list[dict[str, Any]]:
    """Annotations of classes that nobody has labelled in the picture."""
    found = []
    for box, score, class_id in zip(boxes.boxes_xyxy, boxes.scores, boxes.class_ids, strict=True):
        left, top, right, bottom = (round(float(value), 2) for value in np.clip(box, 0, [width, height, width, height]))
        if names[class_id] in labelled or right - left < 1 or bottom - top < 1:
            continue
        bbox = [left, top, round(right - left, 2), round(bottom - top, 2)]
        area, sure = round(bbox[2] * bbox[3], 2), round(min(1.0, float(score)), 4)
        found.append({"label": names[class_id], "bbox": bbox, "area": area, "iscrowd": 0, "score": sure})
    return found


def _renumbered(mask: np.ndarray, own: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    table = np.full(256, 255, np.uint8)
    table[: len(own)] = [labels.index(name) for name in own]
    return cv2.LUT(mask, table)


def copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all, where there is none."""
    if not target.exists():
        write_atomically(target, source.read_bytes(), durable=False)
