# SPDX-License-Identifier: Apache-2.0
"""The formats that data folders can be exported to, by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mtl_perception.data.exporters.item import Item, Labels


class Exporter(Protocol):
    """The interface of a format's module."""

    HOLDS: frozenset[str]
    """FEATURES that the format holds."""

    def write_picture(self, item: Item, out: Path, labels: Labels) -> Any:
        """Write the files of one picture; gives what ``finish`` wants to know of it. May run in any process."""
        ...

    def finish(self, records: Iterable[Any], out: Path, labels: Labels) -> None:
        """Write the files of the whole set, given what ``write_picture`` gave for each, in the order of names."""
        ...


@dataclass(frozen=True)
class Format:
    """``title``: one line for people; ``module``: below ``exporters/``."""

    name: str
    title: str
    module: str

    def load(self) -> Exporter:
        return importlib.import_module(f"mtl_perception.data.exporters.{self.module}")  # type: ignore[return-value]


FORMATS = (
    Format("coco", "COCO detection and instance segmentation", "coco"),
    Format("coco-panoptic", "COCO panoptic segmentation", "coco_panoptic"),
    Format("yolo", "YOLO text files: polygons for objects with masks, else boxes", "yolo"),
    Format("voc", "Pascal VOC with SegmentationClass and SegmentationObject", "voc"),
    Format("labelme", "labelme: one JSON a picture", "labelme"),
    Format("cvat", "CVAT XML for images", "cvat"),
    Format("label-studio", "Label Studio JSON", "label_studio"),
    Format("openimages", "Open Images: CSV files of boxes and of verified labels", "openimages"),
    Format("masks", "pictures, label maps and a palette file", "masks"),
    Format("kitti", "KITTI: boxes in the picture and in space, cameras", "kitti"),
    Format("folders", "classification: a folder of pictures for each class", "folders"),
)
