# SPDX-License-Identifier: Apache-2.0
"""One picture with its labels decoded, as exporters take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import cv2
import numpy as np

from mtl_perception.core.files import write_atomically
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.importers.image_file import Header, ImageBytes, decode, read_header
from mtl_perception.data.importers.labelled import Notes, Picture
from mtl_perception.data.importers.shapes import Encoded
from mtl_perception.data.masks import decode_mask

FEATURES = {
    "boxes": "boxes",
    "masks": "masks of objects (their boxes are written)",
    "crowds": "crowds (iscrowd), which are left out",
    "boxes_3d": "boxes in space",
    "tracks": "tracks' ids",
    "scores": "scores of proposed boxes",
    "semantic": "label maps of pictures",
    "depth": "depth images",
    "lanes": "lanes",
    "classes": "classes of whole pictures",
    "camera": "cameras of pictures",
    "group": "groups of pictures",
    "exhaustive": "which classes are wholly labelled in a picture (detection_labels)",
    "unlabelled": "that pictures are not labelled for boxes, which now look as if nothing were there",
    "extra": "further keys of pictures",
}
"""Kinds of labels that a data folder can hold, with their names for what a format can't keep."""


class Labels(NamedTuple):
    """Of the data set: names in the order of their ids."""

    detection: list[str]
    segmentation: list[str]
    classification: list[str]
    lanes: list[str]


@dataclass(frozen=True)
class ItemInstance:
    """One object; ``shape`` in COCO's terms, None where only the box is known."""

    label: str
    box_xyxy: tuple[float, float, float, float]
    shape: Encoded | None
    is_crowd: bool
    box_3d: Mapping[str, Sequence[float]] | None
    track: str | int | None


@dataclass
class Item:
    """A picture of a data folder.

    Attributes:
        number: its place in the set, from 1.
        name: file name below images/.
        content: the file.
        objects: None where it is not labelled for boxes.
        semantic: (H, W) int32 ids, -1 unlabelled; ``depth_m`` (H, W) float32, 0 unknown; ``lanes`` (H, W) uint8 bits.
        notes: what the writer of the format could not hold.
        is_written: its image is in the new folder; formats leave out what they have no place for.
    """

    number: int
    name: str
    content: bytes
    width: int
    height: int
    group: str
    instances: list[ItemInstance] | None
    exhaustive: list[str] | None
    semantic: np.ndarray | None
    depth_m: np.ndarray | None
    lanes: np.ndarray | None
    classes: list[str] | None
    camera: Intrinsics | None
    extra: dict[str, Any]
    notes: Notes = field(default_factory=Notes)
    is_written: bool = False

    @property
    def stem(self) -> str:
        return str(PurePosixPath(self.name).with_suffix(""))

    @cached_property
    def boxed(self) -> list[ItemInstance]:
        """The objects that are no crowds."""
        return [instance for instance in self.instances or () if not instance.is_crowd]

    def mask(self, instance: ItemInstance) -> np.ndarray:
        """(H, W) bool."""
        return decode_mask(instance.shape, self.height, self.width)

    def write_image(self, path: Path) -> None:
        write_atomically(path, self.content, durable=False)
        self.is_written = True


def item_of(picture: Picture, number: int, wanted: frozenset[str]) -> Item:
    """Read the files of a picture.

    Args:
        wanted: FEATURES that the format holds; others are not read.

    Raises:
        DataError: a file is missing or broken.
        ValueError: a mask is damaged.
    """
    image = picture.image.read()
    header = read_header(image)
    width, height = header.width, header.height
    instances = None
    if picture.instances is not None:
        instances = [
            ItemInstance(
                instance.label,
                instance.box_xyxy,
                instance.shape.encoded(width, height) if instance.shape is not None and "masks" in wanted else None,
                instance.is_crowd,
                instance.box_3d,
                instance.track,
            )
            for instance in picture.instances  # pyright: ignore[reportGeneralTypeIssues]
        ]

    def read(source: Any, feature: str) -> np.ndarray | None:
        return source.read() if source is not None and feature in wanted else None

    notes = Notes()
    if header.orientation != 1:
        notes.add("pictures whose EXIF orientation, which their labels do not follow, was removed: compressed anew", picture.name)
    return Item(
        number,
        picture.name,
        image.content if header.orientation == 1 else _as_stored(image, header),
        width,
        height,
        picture.group or picture.name,
        instances,
        None if picture.exhaustive is None else list(picture.exhaustive),
        read(picture.semantic, "semantic"),
        read(picture.depth, "depth"),
        read(picture.lanes, "lanes"),
        None if picture.classes is None else list(picture.classes),
        picture.camera,
        dict(picture.extra or {}),
        notes,
    )


def _as_stored(image: ImageBytes, header: Header) -> bytes:
    """The stored pixels, without the orientation by which other programs would turn them away from their labels."""
    suffix, options = (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95]) if header.kind == "JPEG" else (".png", [])
    return cv2.imencode(suffix, decode(image, cv2.IMREAD_COLOR), options)[1].tobytes()


def lost(picture: Picture, holds: frozenset[str]) -> Notes:
    """Returns what of a picture a format that holds only ``holds`` can't keep."""
    instances = picture.instances or ()
    counts = {
        "boxes": len(instances),
        "masks": sum(instance.shape is not None for instance in instances) if "boxes" in holds else 0,  # pyright: ignore[reportGeneralTypeIssues]
        "crowds": sum(instance.is_crowd for instance in instances) if "boxes" in holds else 0,  # pyright: ignore[reportGeneralTypeIssues]
        "boxes_3d": sum(instance.box_3d is not None for instance in instances),  # pyright: ignore[reportGeneralTypeIssues]
        "tracks": sum(instance.track is not None for instance in instances),  # pyright: ignore[reportGeneralTypeIssues]
        "scores": sum(instance.score is not None for instance in instances),  # pyright: ignore[reportGeneralTypeIssues]
        "semantic": picture.semantic is not None,
        "depth": picture.depth is not None,
        "lanes": picture.lanes is not None,
        "classes": picture.classes is not None,
        "camera": picture.camera is not None,
        "group": picture.group is not None,
        "exhaustive": picture.exhaustive is not None and picture.instances is not None,
        "unlabelled": picture.instances is None and "boxes" in holds,
        "extra": bool(picture.extra),
    }
    notes = Notes()
    for feature, count in counts.items():
        if feature not in holds:
            notes.add(FEATURES[feature], picture.name, int(count))
    return notes
