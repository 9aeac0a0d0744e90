# SPDX-License-Identifier: Apache-2.0
"""Recipes of public sets of photographs: format, class map, what is wholly labelled, licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mtl_perception.data.importers.class_map import ClassMap


@dataclass(frozen=True)
class Recipe:
    """How a public set becomes a data folder with this project's class names.

    Attributes:
        format: a name of ``registry.FORMATS``; ``options``: its settings.
        exhaustive: classes here that each picture has labelled wholly, None: as the format says.
        licence, source: of labels and pictures, and where the set comes from, for people.
    """

    name: str
    format: str
    source: str
    licence: str
    classes: ClassMap = ClassMap()
    exhaustive: tuple[str, ...] | None = None
    group: str = "source"
    options: Mapping[str, str] = field(default_factory=dict)


_FURNITURE = {
    "desk": "table", "coffee table": "table", "dining table": "table", "end table": "table", "side table": "table",
    "couch": "sofa", "bookshelf": "shelf", "shelves": "shelf", "bookcase": "shelf", "dresser": "cabinet", "filing cabinet": "cabinet",
    "garbage bin": "bin", "garbage_bin": "bin", "trash can": "bin", "recycle bin": "bin", "books": "book",
    "apple": "fruit", "banana": "fruit", "orange": "fruit", "mug": "cup", "coffee cup": "cup", "wine glass": "cup",
    "television": "screen", "tv": "screen", "monitor": "screen", "laptop": "screen", "refridgerator": "refrigerator",
    "potted plant": "plant",
}  # fmt: skip
"""Names in sets of photographs for classes of this project."""
_SAME = (
    "floor", "wall", "ceiling", "door", "window", "table", "chair", "shelf", "cabinet", "box", "can", "bottle", "cup", "bowl",
    "fruit", "book", "bin", "sofa", "bed", "person", "refrigerator", "plant", "backpack", "screen",
)  # fmt: skip
_INDOORS = ClassMap(classes={**{name: name for name in _SAME}, **_FURNITURE}, others="drop")


def recipes() -> dict[str, Recipe]:
    """By name."""
    known = (
        Recipe(
            "coco",
            "coco",
            "Common Objects in Context, train2017 and val2017 with annotations/instances_*.json",
            "labels CC BY 4.0; pictures under their photographers' Flickr terms",
            _INDOORS,
            # "dining table" leaves out desks and others: their pictures don't say that there is no table.
            ("chair", "bottle", "cup", "bowl", "fruit", "book", "sofa", "bed", "person", "refrigerator", "plant", "backpack", "screen"),
        ),
        Recipe(
            "openimages",
            "openimages",
            "Open Images V7: pictures, *-annotations-bbox.csv, *-human-imagelabels-boxable.csv, class-descriptions-boxable.csv",
            "labels CC BY 4.0; pictures CC BY 2.0 by their listing",
            ClassMap(
                classes={
                    "Door": "door",
                    "Window": "window",
                    "Table": "table",
                    "Desk": "table",
                    "Coffee table": "table",
                    "Kitchen & dining room table": "table",
                    "Chair": "chair",
                    "Shelf": "shelf",
                    "Bookcase": "shelf",
                    "Cabinetry": "cabinet",
                    "Box": "box",
                    "Tin can": "can",
                    "Bottle": "bottle",
                    "Coffee cup": "cup",
                    "Mug": "cup",
                    "Wine glass": "cup",
                    "Bowl": "bowl",
                    "Apple": "fruit",
                    "Banana": "fruit",
                    "Orange": "fruit",
                    "Book": "book",
                    "Waste container": "bin",
                    "Couch": "sofa",
                    "Bed": "bed",
                    "Person": "person",
                    "Refrigerator": "refrigerator",
                    "Houseplant": "plant",
                    "Backpack": "backpack",
                },
                others="drop",
            ),
            options={"depictions": "drop"},
        ),
        Recipe(
            "doordetect",
            "yolo",
            "DoorDetect (Arduengo and others): images/ and labels/",
            "pictures of Open Images, mostly CC BY 2.0",
            options={"classes": "door,handle,cabinet door,refrigerator door", "unlabelled": "skip"},
        ),
        Recipe(
            "nyu",
            "nyu",
            "NYU Depth v2 (Silberman and others, 2012): nyu_depth_v2_labeled.mat",
            "for research; ask its authors for more",
            _INDOORS,
        ),
        Recipe(
            "sunrgbd",
            "sunrgbd",
            "SUN RGB-D (Song and others, 2015): SUNRGBD/",
            "for research; ask its authors for more",
            _INDOORS,
            # Small objects have outlines here and there.
            ("table", "chair", "sofa", "bed", "cabinet", "shelf"),
        ),
    )
    return {recipe.name: recipe for recipe in known}


def find_recipe(name: str) -> Recipe:
    """Raises ValueError: there is none; the text lists those there are."""
    known = recipes()
    if name not in known:
        raise ValueError(f"recipe '{name}' is unknown, expected one of: {', '.join(known)}")
    return known[name]
