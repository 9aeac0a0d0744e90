# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception check DATA --html PAGE``: class balance, sizes, near duplicates across splits, doubtful labels, with pictures."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception import __version__
from mtl_perception.core.drawing import class_color
from mtl_perception.core.files import write_atomically
from mtl_perception.data.errors import DataError
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.importers.duplicates import perceptual_hash, same_or_near
from mtl_perception.evaluation.data_card.doubts import FAINT, Doubt, doubts_of
from mtl_perception.inference.engine import Engine
from mtl_perception.reporting.html import render_page
from mtl_perception.tasks import BOXED

SIZES = ((0, 16, "under 16"), (16, 32, "16 to 32"), (32, 96, "32 to 96"), (96, 1e9, "over 96"))
"""Pixels: root of a box's area. COCO's borders of small, medium and large are 32 and 96."""

PICTURES = 24
"""Most doubts, and most pairs of near duplicates, that are shown."""

THUMBNAIL = 360
"""Pixels: the longer side of a picture on the page."""


def write_data_card(
    root: Path, page: Path, others: Sequence[Path], engine: Engine | None, on_picture: Callable[[], None] = lambda: None
) -> dict[str, int]:
    """Write ``page`` about the data folder ``root``.

    Args:
        others: folders of other splits, in which no picture should look like one of ``root``.
        engine: whose boxes the labels are compared with; None: none are.
        on_picture: called for each picture that was looked at.

    Returns:
        How many "near_duplicates" and "doubts" there are.

    Raises:
        DataError: a folder can't be used, or the engine knows no class of the set.
        OSError: the page can't be written.
    """
    folder = ImageFolder(root)
    pairs = _near_duplicates(folder, [ImageFolder(other) for other in others], on_picture) if others else []
    doubts = [] if engine is None else _doubts(folder, engine, on_picture)
    content = {
        "name": root.name,
        "version": __version__,
        "images": len(folder),
        "groups": len({entry.group for entry in folder.entries}),
        "tasks": Counter(task for entry in folder.entries for task in entry.tasks),
        "classes": _classes(folder),
        "sizes": [name for _, _, name in SIZES],
        "others": [str(other) for other in others],
        "pairs": [_pair(one, other) for one, other in pairs[:PICTURES]],
        "pair_count": len(pairs),
        "model": None if engine is None else engine.card.name,
        "doubts": [_shown(folder, i, doubt) for i, doubt in doubts[:PICTURES]],
        "doubt_count": len(doubts),
    }
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, render_page(Path(__file__).with_name("data_card.html.j2"), content).encode())
    return {"near_duplicates": len(pairs), "doubts": len(doubts)}


def _classes(folder: ImageFolder) -> list[dict[str, Any]]:
    """Boxes by class: how many, in how many pictures, and by size."""
    boxes, pictures, sizes = Counter(), Counter(), defaultdict(lambda: [0] * len(SIZES))
    for i in range(len(folder)):
        labels = folder.box_arrays(i)
        if labels is None:
            continue
        names = [folder.labels[BOXED][class_id] for class_id in labels.class_ids]
        pictures.update(set(names))
        boxes.update(names)
        sides = np.sqrt(np.prod(labels.boxes_xyxy[:, 2:] - labels.boxes_xyxy[:, :2], 1))
        for name, side in zip(names, sides, strict=True):
            sizes[name][next(k for k, (low, high, _) in enumerate(SIZES) if low <= side < high)] += 1
    most = max(boxes.values(), default=1)
    return [
        {
            "name": name,
            "color": "#{:02x}{:02x}{:02x}".format(*class_color(name)),
            "boxes": boxes[name],
            "pictures": pictures[name],
            "share": 100 * boxes[name] / most,
            "sizes": sizes[name],
        }
        for name in folder.labels[BOXED]
    ]


def _near_duplicates(folder: ImageFolder, others: Sequence[ImageFolder], on_picture: Callable[[], None]) -> list[tuple[Path, Path]]:
    """Pairs of a picture of ``folder`` and one of ``others`` that are the same, or nearly."""
    paths = [path for one in (folder, *others) for path in one.image_files]
    digests, hashes = [], []
    for path in paths:
        content = path.read_bytes()
        grey = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise DataError(f"{path} can't be read as a picture", "image")
        digests.append(hashlib.blake2s(content).hexdigest())
        hashes.append(perceptual_hash(grey))
        on_picture()
    pairs = []
    for members in same_or_near(digests, hashes):
        mine = [i for i in members if i < len(folder)]
        foreign = [i for i in members if i >= len(folder)]
        pairs += [(paths[i], paths[foreign[0]]) for i in mine if foreign]
    return pairs


def _doubts(folder: ImageFolder, engine: Engine, on_picture: Callable[[], None]) -> list[tuple[int, Doubt]]:
    """(picture, doubt), the strongest first."""
    known = set(engine.card.detection_labels)
    if not known & set(folder.labels[BOXED]):
        raise DataError(
            f"{engine.card.name} knows none of the classes {', '.join(folder.labels[BOXED]) or '(there are no boxes)'}, so it has no say; "
            "choose another --model",
            "labels",
        )
    engine.score_threshold = FAINT
    said, found, there = {}, Counter(), Counter()
    for i, entry in enumerate(folder.entries):
        if BOXED not in entry.tasks:
            continue
        sample = folder[i]
        scene = engine(sample.image, sample.intrinsics if entry.camera is not None else None)
        answers = scene.detections
        assert answers is not None
        said[i] = (answers.boxes_xyxy, [engine.card.detection_labels[k] for k in answers.class_ids], answers.scores)
        on_picture()
        boxes, labels = _labels_of(folder, i)
        for doubt in doubts_of(boxes, labels, *said[i], known, (), 1.0):
            found[doubt.label] -= 1
        found.update(labels)
        there.update(labels)
    reliability = {name: found[name] / count for name, count in there.items()}
    doubts = []
    for i, answers in said.items():
        boxes, labels = _labels_of(folder, i)
        entry = folder.entries[i]
        labelled = folder.labels[BOXED] if entry.detection_labels is None else entry.detection_labels
        area = float(entry.width * entry.height)
        doubts += [(i, doubt) for doubt in doubts_of(boxes, labels, *answers, known, labelled, area, reliability)]
    return sorted(doubts, key=lambda pair: -pair[1].worth)


def _labels_of(folder: ImageFolder, i: int) -> tuple[np.ndarray, list[str]]:
    """Boxes of people and their classes, without those that a network proposed."""
    labels = folder.box_arrays(i)
    assert labels is not None
    drawn = np.ones(len(labels.class_ids), bool) if labels.weights is None else labels.weights == 1
    return labels.boxes_xyxy[drawn], [folder.labels[BOXED][class_id] for class_id in labels.class_ids[drawn]]


def _shown(folder: ImageFolder, i: int, doubt: Doubt) -> dict[str, Any]:
    image = folder[i].image.copy()
    left, top, right, bottom = (round(value) for value in doubt.box_xyxy)
    width = max(2, round(max(image.shape[:2]) / 160))
    cv2.rectangle(image, (left, top), (right - 1, bottom - 1), (255, 64, 64), width)
    said = {
        "missing": f"no box, the network sees {doubt.said}",
        "class": f"{doubt.label}, the network sees {doubt.said}",
        "nothing": f"{doubt.label}, the network sees nothing",
    }[doubt.kind]
    return {"picture": _small(image), "name": folder.entries[i].file_name, "said": said, "worth": f"{doubt.worth:.2f}"}


def _pair(one: Path, other: Path) -> dict[str, Any]:
    pictures = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in (one, other)]
    return {"pictures": [_small(picture) for picture in pictures], "names": [str(one), str(other)]}


def _small(image: np.ndarray) -> np.ndarray:
    factor = min(1.0, THUMBNAIL / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
