# SPDX-License-Identifier: Apache-2.0
"""Writes a folder of labelled images, format 2 (docs/data.md).

``write_sample`` writes one image with its labels and may run in many processes at once; ``write_index`` then lists all of
them. A folder without an index, or with an older one, is a data set that is still being made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.files import write_atomically
from mtl_perception.data.index_writer import IndexWriter
from mtl_perception.data.labelled_image import Instance, LabelledImage
from mtl_perception.data.masks import encode_mask
from mtl_perception.tasks import LABELS, MapCodec

__all__ = ["Instance", "LabelledImage", "write_index", "write_sample"]

_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3]
"""For depth less than half the bytes of OpenCV's default, and read in two thirds of the time."""


def write_sample(root: Path, stem: str, sample: LabelledImage, jpeg_quality: int | None = 92) -> dict[str, Any]:
    """Write images/STEM.jpg and the PNG of each map of labels, such as semantic/STEM.png, each whole or not at all.

    Args:
        root: folder of the data set; what is missing of it is made.
        jpeg_quality: 1 to 100; None writes images/STEM.png, without loss.

    Returns:
        The entry that ``write_index`` wants, which JSON can hold.

    Raises:
        OSError: a file could not be written; the error names it.
        ImportError: instances have masks, and faster-coco-eval is not installed.
    """
    file_name = f"{stem}.png" if jpeg_quality is None else f"{stem}.jpg"
    options = [] if jpeg_quality is None else [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
    _write_image(root / "images" / file_name, cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR), options)
    for kind, values in sample.maps.items():
        codec = LABELS[kind]
        assert isinstance(codec, MapCodec)
        _write_image(root / codec.folder / f"{stem}.png", codec.stored(values), _PNG)
    height, width = sample.image.shape[:2]
    entry: dict[str, Any] = {
        "file_name": file_name,
        "width": width,
        "height": height,
        "group": sample.group,
        "tasks": sample.tasks,
    }
    if sample.intrinsics is not None:
        camera = sample.intrinsics
        # A ten-thousandth of a pixel is far below what any calibration knows.
        lens = {name: round(float(getattr(camera, name)), 4) for name in ("fx", "fy", "cx", "cy")}
        entry["camera"] = {"width": width, "height": height, **lens}
    if sample.detection_labels is not None:
        entry["detection_labels"] = list(sample.detection_labels)
    if sample.classes is not None:
        entry["classes"] = list(sample.classes)
    entry["annotations"] = [_annotation(instance) for instance in sample.instances or ()]
    return entry


def write_index(root: Path, description: Mapping[str, Any], entries: Iterable[dict[str, Any]]) -> None:
    """Write annotations.json, cameras.json and dataset.json from what ``write_sample`` returned for every image.

    Equal entries give equal files, in whatever order they come. May be called again when there are more.

    Args:
        description: ``KIND_labels`` of each kind of label with classes, such as ``segmentation_labels``: names in the order of
            their ids; and whatever else says how the data came about (generator, seed, renderer, settings …).

    Raises:
        ValueError: two entries have one file name, or an entry has a label that ``description`` does not list.
        OSError: a file could not be written; the error names it.
    """
    with IndexWriter(root, description) as index:
        for entry in sorted(entries, key=lambda entry: entry["file_name"]):
            index.add(entry)


def _annotation(instance: Instance) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(value) for value in instance.box_xyxy)
    bbox = [int(v) if v.is_integer() else round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)]
    annotation: dict[str, Any] = {
        "label": instance.label,
        "bbox": bbox,
        "area": bbox[2] * bbox[3],
        "iscrowd": int(instance.is_crowd),
    }
    if instance.mask is not None:
        annotation |= {
            "area": int(np.count_nonzero(instance.mask)),
            "segmentation": encode_mask(instance.mask),
        }
    if instance.box_3d is not None:
        annotation["box_3d"] = {key: [round(float(value), 5) for value in values] for key, values in instance.box_3d.items()}
    return annotation


def _write_image(path: Path, image: np.ndarray, options: list[int]) -> None:
    encoded, content = cv2.imencode(path.suffix, image, options)
    if not encoded:
        raise ValueError(f"{path}: could not encode {image.dtype} of shape {image.shape}")
    write_atomically(path, content.tobytes(), durable=False)
