# SPDX-License-Identifier: Apache-2.0
"""Reads a folder of labelled images: images/, semantic/, depth/, annotations.json, dataset.json."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception.data.sample import BoxLabels, Sample
from mtl_perception.geometry import Intrinsics


class DataError(ValueError):
    """A data set that can't be used; the message names the file, what was expected and what to do."""


class ImageFolder:
    """A data set on disk, read one sample at a time.

    Boxes follow COCO's annotations.json; ``semantic/STEM.png`` holds 8-bit class ids (255 unlabelled) and
    ``depth/STEM.png`` 16-bit millimetres (0 unknown).

    Attributes:
        segmentation_labels, detection_labels: class names in the order of the ids in samples.

    Raises:
        DataError: the folder or one of its index files is missing or can't be understood.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        description = _read_json(self.root / "dataset.json")
        index = _read_json(self.root / "annotations.json")
        self.segmentation_labels: list[str] = description["segmentation_labels"]
        self.detection_labels: list[str] = description["detection_labels"]
        self.images: list[dict[str, Any]] = sorted(index["images"], key=lambda image: image["file_name"])
        if not self.images:
            raise DataError(f"{self.root / 'annotations.json'} lists no image; render or convert some first")
        names = {category["id"]: category["name"] for category in index["categories"]}
        position = {name: i for i, name in enumerate(self.detection_labels)}
        unknown = sorted(set(names.values()) - set(position))
        if unknown:
            raise DataError(
                f"{self.root / 'annotations.json'}: categories {', '.join(unknown)} are not among the detection_labels of "
                f"dataset.json ({', '.join(self.detection_labels)})"
            )
        self._boxes: dict[int, list[tuple[list[float], int]]] = defaultdict(list)
        for annotation in index["annotations"]:
            class_id = position[names[annotation["category_id"]]]
            self._boxes[annotation["image_id"]].append((annotation["bbox"], class_id))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Sample:
        """Sample ``i``, with the labels that its entry in annotations.json lists under ``tasks``.

        Raises:
            DataError: a file of this sample is missing, unreadable or of another size than the image.
        """
        entry = self.images[i]
        path = self.root / "images" / entry["file_name"]
        image = cv2.cvtColor(_read_image(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        height, width = image.shape[:2]
        labels: dict[str, Any] = {}
        if "detection" in entry["tasks"]:
            found = self._boxes[entry["id"]]
            xywh = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
            boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1)
            labels["detection"] = BoxLabels(boxes, np.array([class_id for _, class_id in found], np.int64))
        if "segmentation" in entry["tasks"]:
            labels["segmentation"] = self._read_map("semantic", path, image.shape[:2], np.uint8)
        if "depth" in entry["tasks"]:
            millimetres = self._read_map("depth", path, image.shape[:2], np.uint16)
            labels["depth"] = millimetres.astype(np.float32) / 1000
        camera = entry["camera"]
        intrinsics = Intrinsics(width, height, camera["fx"], camera["fy"], camera["cx"], camera["cy"])
        return Sample(str(path), image, intrinsics, labels)

    def _read_map(self, folder: str, image_path: Path, shape: tuple[int, int], dtype: type) -> np.ndarray:
        path = self.root / folder / f"{image_path.stem}.png"
        values = _read_image(path, cv2.IMREAD_UNCHANGED)
        if values.shape != shape or values.dtype != dtype:
            raise DataError(
                f"{path} holds {values.dtype} values of shape {values.shape}, expected {np.dtype(dtype)} of the image's "
                f"shape {shape}"
            )
        return values


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; a data set is a folder that 'mtl-perception render' writes") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error


def _read_image(path: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise DataError(f"{path} is {'not readable as an image' if path.exists() else 'missing'}")
    return image
