# SPDX-License-Identifier: Apache-2.0
"""A data folder that is labelled picture by picture, each change on the disk at once."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.files import write_atomically, write_json
from mtl_perception.core.image_files import ImageError, picture_size
from mtl_perception.data.errors import DataError
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.format import FORMAT_VERSION, TASKS
from mtl_perception.data.index import fault_of_name
from mtl_perception.data.pixels import read_picture
from mtl_perception.tasks import LABELS, LabelError, MapCodec

_SUFFIXES = (".jpg", ".jpeg", ".png")
_MOST_OBJECTS = 10_000


class RefusedLabels(ValueError):
    """Labels that can't be; nothing was changed."""


class LabelStore:
    """The labels of a data folder, those of pictures that have none yet, too. May be called from several threads.

    A picture below images/ that the index does not list is one that is still to be labelled. One is ``done`` when people have looked
    for all classes of boxes in it; until then its boxes teach that these objects are there, and nothing of others.

    Args:
        root: of the data folder; a new one where there is no dataset.json yet.
        classes: more names of boxes.
        mask_classes: names of regions, where the folder has none yet.

    Raises:
        DataError: the index can't be used, or there is no picture.
    """

    def __init__(self, root: Path, classes: Sequence[str] = (), mask_classes: Sequence[str] = ()) -> None:
        self.root, self._lock = root, threading.RLock()
        self._description: dict[str, Any] = {"format_version": FORMAT_VERSION, "segmentation_labels": [], "detection_labels": []}
        self._content: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": []}
        self._is_new = not (root / "dataset.json").exists()
        if not self._is_new:
            ImageFolder(root)  # names what is wrong with it
            self._description = json.loads((root / "dataset.json").read_bytes())
            self._content = json.loads((root / "annotations.json").read_bytes())
        self._images = {image["file_name"]: image for image in self._content["images"]}
        self._annotations: dict[int, list[dict[str, Any]]] = {}
        for annotation in self._content["annotations"]:
            self._annotations.setdefault(annotation["image_id"], []).append(annotation)
        self._sizes: dict[str, tuple[int, int]] = {}
        self.pictures = self._find_pictures()
        self._known = set(self.pictures)
        if not self.pictures:
            raise DataError(f"{root / 'images'} has no picture; give --add FOLDER to copy some there", "empty")
        self._is_changed = False
        for name in classes:
            self.add_class(name)
        if not self.mask_classes and mask_classes:
            self._description["segmentation_labels"] = list(mask_classes)
            self._is_changed = True

    def _find_pictures(self) -> list[str]:
        images = self.root / "images"
        found = {path.relative_to(images).as_posix() for path in images.rglob("*") if path.suffix.lower() in _SUFFIXES}
        return sorted(name for name in found | set(self._images) if not fault_of_name(name))

    @property
    def classes(self) -> list[str]:
        """Names of boxes."""
        return self._description["detection_labels"]

    @property
    def mask_classes(self) -> list[str]:
        """Names of regions, in the order of their ids."""
        return self._description["segmentation_labels"]

    def add_class(self, name: str) -> None:
        """One more class of boxes.

        Raises:
            RefusedLabels: it is no name.
        """
        name = name.strip()
        if not name or not name.isprintable() or len(name) > 100:
            raise RefusedLabels(f"'{name[:40]}' is no name of a class, expected 1 to 100 printable characters")
        with self._lock:
            if name not in self.classes:
                self.classes.append(name)
                self._is_changed = True

    def size(self, name: str) -> tuple[int, int]:
        """Width and height of a picture.

        Raises:
            DataError: it can't be read.
        """
        if name not in self._sizes:
            entry, path = self._images.get(name), self.image_file(name)
            try:
                self._sizes[name] = (entry["width"], entry["height"]) if entry else picture_size(read_picture(path))
            except ImageError as error:
                raise DataError(f"{path} can't be read as a picture: {error}", "unreadable") from None
        return self._sizes[name]

    def image_file(self, name: str) -> Path:
        """The file of a picture. Raises KeyError: there is none of this name."""
        if name not in self._known:
            raise KeyError(name)
        return self.root / "images" / name

    def is_done(self, name: str) -> bool:
        """Whether people have looked for every class in it."""
        entry = self._images.get(name)
        return entry is not None and "detection" in entry["tasks"] and set(self._looked_for(entry)) >= set(self.classes)

    def _looked_for(self, entry: dict[str, Any]) -> list[str]:
        labelled = entry.get("detection_labels")
        return list(self.classes if labelled is None else labelled)

    def objects(self, name: str) -> list[dict[str, Any]]:
        """Boxes of a picture: ``id``, ``label``, ``bbox`` (x, y, width, height in pixels), and ``score`` of those that a network proposed."""
        with self._lock:
            entry = self._images.get(name)
            if entry is None:
                return []
            names = {category["id"]: category["name"] for category in self._content["categories"]}
            return [
                {
                    "id": a["id"],
                    "label": names[a["category_id"]],
                    "bbox": list(a["bbox"]),
                    **({"score": a["score"]} if "score" in a else {}),
                }
                for a in self._annotations.get(entry["id"], [])
            ]

    def save(self, name: str, objects: Sequence[dict[str, Any]], done: bool) -> list[int]:
        """Replace the boxes of a picture.

        Args:
            objects: ``label``, ``bbox``, and ``id`` of those that were there before: such a one keeps its mask where its box stays.
            done: people have looked for every class.

        Returns:
            The ids of the objects.

        Raises:
            RefusedLabels, KeyError: one of them can't be.
            OSError: it could not be written; what was there before is still there.
        """
        width, height = self.size(name)
        if len(objects) > _MOST_OBJECTS:
            raise RefusedLabels(f"{len(objects)} boxes in one picture, expected at most {_MOST_OBJECTS}")
        with self._lock:
            entry = self._images.get(name) or self._new_entry(name)
            before = {annotation["id"]: annotation for annotation in self._annotations.get(entry["id"], [])}
            boxes = [_clipped(obj, width, height, self.classes) for obj in objects]
            was_done = self.is_done(name)
            was_labelled = self._looked_for(entry) if "detection" in entry["tasks"] and not was_done else []
            labelled = list(self.classes) if done else was_labelled
            fresh = max((annotation["id"] for annotation in self._content["annotations"]), default=0) + 1
            annotations = []
            for obj, box in zip(objects, boxes, strict=True):
                old = before.get(obj.get("id"))  # type: ignore[arg-type]
                made = _annotation(old, box, self._category(obj["label"]))
                if obj["label"] in labelled:
                    made.pop("score", None)
                else:
                    made.setdefault("score", 1.0)
                if old is None:
                    made["id"], fresh = fresh, fresh + 1
                annotations.append({**made, "image_id": entry["id"]})
            tasks = set(entry["tasks"]) - {"detection"} | ({"detection"} if done or annotations or labelled else set())
            made_entry = {**entry, "tasks": [task for task in TASKS if task in tasks], "detection_labels": labelled}
            if "detection" not in tasks:
                made_entry.pop("detection_labels")
            self._replace(name, made_entry, annotations)
            return [annotation["id"] for annotation in annotations]

    def save_mask(self, name: str, ids: np.ndarray | None) -> None:
        """Replace the regions of a picture: (H, W) uint8 ids of ``mask_classes``, 255 for none; None: it has none.

        Raises:
            RefusedLabels, KeyError: they can't be.
            OSError: they could not be written.
        """
        codec = LABELS["segmentation"]
        assert isinstance(codec, MapCodec)
        with self._lock:
            entry = self._images.get(name)
            if ids is not None and (ids == 255).all():
                ids = None
            if ids is None and (entry is None or "segmentation" not in entry["tasks"]):
                return
            if ids is not None:
                width, height = self.size(name)
                if ids.shape != (height, width):
                    raise RefusedLabels(f"regions are of {ids.shape[1]}x{ids.shape[0]}, the picture of {width}x{height}")
                try:
                    codec.check(ids, len(self.mask_classes))
                except LabelError as error:
                    raise RefusedLabels(f"the mask {error}") from None
                write_atomically(self.mask_file(name), cv2.imencode(".png", codec.stored(ids))[1].tobytes())
            entry = entry or self._new_entry(name)
            tasks = set(entry["tasks"]) - {"segmentation"} | ({"segmentation"} if ids is not None else set())
            made = {**entry, "tasks": [task for task in TASKS if task in tasks]}
            self._replace(name, made, self._annotations.get(entry["id"], []))
            if ids is None:
                self.mask_file(name).unlink(missing_ok=True)

    def has_mask(self, name: str) -> bool:
        entry = self._images.get(name)
        return entry is not None and "segmentation" in entry["tasks"]

    def mask_file(self, name: str) -> Path:
        """The PNG of a picture's regions."""
        codec = LABELS["segmentation"]
        assert isinstance(codec, MapCodec)
        return self.root / codec.folder / PurePosixPath(name).with_suffix(".png")

    def _new_entry(self, name: str) -> dict[str, Any]:
        width, height = self.size(name)
        path = PurePosixPath(name)
        group = path.stem if len(path.parts) == 1 else str(path.parent)
        id_ = max((image["id"] for image in self._content["images"]), default=0) + 1
        return {"id": id_, "file_name": name, "width": width, "height": height, "group": group, "tasks": []}

    def _category(self, label: str) -> int:
        categories = self._content["categories"]
        for category in categories:
            if category["name"] == label:
                return category["id"]
        id_ = max((category["id"] for category in categories), default=0) + 1
        categories.append({"id": id_, "name": label})
        return id_

    def _replace(self, name: str, entry: dict[str, Any], annotations: list[dict[str, Any]]) -> None:
        """Write the index with another entry and other boxes of a picture; in memory only once the disk has it."""
        id_ = entry["id"]
        images = [image for image in self._content["images"] if image["file_name"] != name] + ([entry] if entry["tasks"] else [])
        others = [annotation for annotation in self._content["annotations"] if annotation["image_id"] != id_]
        content = {**self._content, "images": images, "annotations": others + annotations}
        if self._is_new:
            write_json(self.root / "cameras.json", {"cameras": {}})
        elif self._is_changed:  # a class that annotations name must be listed before
            write_json(self.root / "dataset.json", self._description)
        write_json(self.root / "annotations.json", content)
        if self._is_new:
            write_json(self.root / "dataset.json", self._description)
        self._is_new = self._is_changed = False
        self._content = content
        if entry["tasks"]:
            self._images[name], self._annotations[id_] = entry, annotations
        else:
            self._images.pop(name, None)
            self._annotations.pop(id_, None)


def _clipped(obj: dict[str, Any], width: int, height: int, classes: Sequence[str]) -> list[float]:
    """The box of an object, within the picture. Raises RefusedLabels: it can't be."""
    label, bbox, id_ = obj.get("label"), obj.get("bbox"), obj.get("id")
    if id_ is not None and type(id_) is not int:
        raise RefusedLabels(f"the id of a box is {str(id_)[:40]}, expected a whole number")
    if label not in classes:
        raise RefusedLabels(f"a box is of class '{str(label)[:40]}', expected one of {', '.join(classes)}")
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(type(v) in (int, float) and math.isfinite(v) for v in bbox):
        raise RefusedLabels(f"a box is {str(bbox)[:60]}, expected x, y, width, height")
    x, y, w, h = bbox
    left, top, right, bottom = max(0.0, x), max(0.0, y), min(float(width), x + w), min(float(height), y + h)
    if right - left < 1 or bottom - top < 1:
        raise RefusedLabels(f"a box is {bbox}, of which less than a pixel is in the picture of {width}x{height}")
    return [round(value, 2) for value in (left, top, right - left, bottom - top)]


def _annotation(old: dict[str, Any] | None, bbox: list[float], category_id: int) -> dict[str, Any]:
    area = round(bbox[2] * bbox[3], 2)
    if old is None:
        return {"category_id": category_id, "bbox": bbox, "area": area, "iscrowd": 0}
    if all(abs(a - b) < 0.02 for a, b in zip(old["bbox"], bbox, strict=True)):
        return {**old, "category_id": category_id}
    # The mask and the 3D box belong to where it was.
    kept = {key: value for key, value in old.items() if key not in ("segmentation", "box_3d")}
    return {**kept, "category_id": category_id, "bbox": bbox, "area": area}
