# SPDX-License-Identifier: Apache-2.0
"""The index of a data folder: three JSON files, and whether they agree with each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.image_files import MAX_FILE_PIXELS
from mtl_perception.data.content import printed
from mtl_perception.data.errors import Problem
from mtl_perception.data.format import (
    TASKS,
    Annotation,
    Annotations,
    Camera,
    Cameras,
    Category,
    Description,
    ImageEntry,
    MaskedAnnotations,
    parse,
    parse_description,
)
from mtl_perception.tasks import BOXED, LABELS, NAMED

ROUNDING_PX = 1.0
"""How far a box may reach beyond the image: annotation tools round. It is clipped when it is read."""


@dataclass(frozen=True)
class Index:
    """The content of dataset.json, cameras.json and annotations.json."""

    root: Path
    description: Description  # pyright: ignore[reportInvalidTypeForm]
    cameras: dict[str, Camera]
    images: list[ImageEntry]
    annotations: list[Annotation]
    listed_categories: list[Category]

    @cached_property
    def categories(self) -> dict[int, str]:
        """Names by id."""
        return {category.id: category.name for category in self.listed_categories}

    @cached_property
    def proposed(self) -> set[int]:
        """Ids of the images with a box that a network proposed."""
        return {annotation.image_id for annotation in self.annotations if annotation.score is not None}

    @property
    def annotations_file(self) -> Path:
        return self.root / "annotations.json"


def read_index(root: Path, masks: bool = False) -> Index:
    """The index of the data folder ``root``, not yet checked; ``masks``: with the instances' masks.

    Raises:
        DataError: one of the files is missing or can't be understood.
    """
    description = parse_description(root / "dataset.json")
    cameras = parse(root / "cameras.json", Cameras)
    content = parse(root / "annotations.json", MaskedAnnotations if masks else Annotations)
    return Index(root, description, cameras.cameras, content.images, content.annotations, content.categories)


def stem(entry: ImageEntry) -> PurePosixPath:
    """Where the PNGs of its labels are, below the folders of their kinds."""
    return PurePosixPath(entry.file_name).with_suffix(".png")


def find_problems(index: Index) -> Iterator[Problem]:
    """Everything that does not fit together; nothing of the images themselves is read."""
    if not index.images:
        yield Problem("empty", f"{index.annotations_file} lists no image; render or convert some first")
    yield from _label_problems(index)
    yield from _category_problems(index)
    yield from _duplicates(index)
    for image in index.images:
        yield from (Problem(kind, f"{called(image)}: {text}") for kind, text in _image_problems(index, image))
    yield from _annotation_problems(index)


def called(image: ImageEntry) -> str:
    """The image as problems name it: by its file, or by its id where that names no file."""
    return f"image {image.id}" if fault_of_name(image.file_name) == _EMPTY else printed(image.file_name)


def fault_of_name(file_name: str) -> str:
    """Why ``file_name`` can be no file below images/; empty if it can."""
    path = PurePosixPath(file_name)
    if not path.name:
        return _EMPTY
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(file_name):
        return "file_name leaves the folder"
    if not file_name.isprintable():
        return "file_name holds characters that do not print, such as line breaks"
    return f"file_name has {len(file_name)} characters" if len(file_name) > _LONGEST_FILE_NAME else ""


_EMPTY = "file_name names no file"
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_LONGEST_FILE_NAME = 1000
_LONGEST_CLASS_NAME = 100


def _label_problems(index: Index) -> Iterator[Problem]:
    for task in TASKS:
        where = f"{index.root / 'dataset.json'}: {task}_labels holds"
        names = index.description.labels(task)
        for name in _repeated(names):
            yield Problem("duplicate", f"{where} '{cut(name)}' twice")
        for i, name in enumerate(names):
            if not name.strip():
                yield Problem("class name", f"{where} an empty name at position {i}, expected the class's name")
            elif not name.isprintable():
                yield Problem("class name", f"{where} '{cut(name)}', which has characters that do not print; rename it")
            elif len(name) > _LONGEST_CLASS_NAME:
                yield Problem("class name", f"{where} '{cut(name, 20)}', expected at most {_LONGEST_CLASS_NAME}")
            elif name != name.strip():
                text = f"{where} '{cut(name)}' with spaces around it: it is another class than '{cut(name.strip())}'"
                yield Problem("class name", text, is_error=False)


def _category_problems(index: Index) -> Iterator[Problem]:
    file = index.annotations_file
    unknown = sorted(set(index.categories.values()) - set(index.description.labels(BOXED)))
    if unknown:
        known = listed(index.description.labels(BOXED))
        text = f"categories {listed(unknown)} are not among the {BOXED}_labels of dataset.json ({known})"
        yield Problem("unknown class", f"{file}: {text}")
    for id_ in _repeated([category.id for category in index.listed_categories]):
        names = listed([category.name for category in index.listed_categories if category.id == id_])
        text = f"the categories {names} have one id, {id_}, so which of them are its boxes? Give each an id of its own"
        yield Problem("duplicate", f"{file}: {text}")
    for name in _repeated([category.name for category in index.listed_categories]):
        ids = [category.id for category in index.listed_categories if category.name == name]
        if len(set(ids)) > 1:
            text = f"categories {listed(ids)} have one name, {cut(name)}: they are taken for one class"
            yield Problem("duplicate", f"{file}: {text}", is_error=False)


def listed(values: Iterable[object]) -> str:
    """The first of them, and how many more there are."""
    values = list(values)
    more = f" … ({len(values)})" if len(values) > _MOST_LISTED else ""
    return ", ".join(map(cut, values[:_MOST_LISTED])) + more


_MOST_LISTED = 10


def _repeated(values: list) -> list:
    return [value for value, count in Counter(values).items() if count > 1]


def _duplicates(index: Index) -> Iterator[Problem]:
    file = index.annotations_file
    for id_ in _repeated([image.id for image in index.images]):
        yield Problem("duplicate", f"{file}: several images have the id {id_}, so whose boxes are they?")
    for id_ in _repeated([annotation.id for annotation in index.annotations]):
        yield Problem("duplicate", f"{file}: several annotations have the id {id_}")
    for name in _repeated([stem(image) for image in index.images if not fault_of_name(image.file_name)]):
        text = f"several images would share the label files {printed(str(name))}; rename all but one"
        yield Problem("duplicate", f"{file}: {text}")


def _image_problems(index: Index, image: ImageEntry) -> Iterator[tuple[str, str]]:
    fault = fault_of_name(image.file_name)
    if fault:
        yield "index", f"{fault}; expected a path below {index.root / 'images'}"
    if image.width * image.height > MAX_FILE_PIXELS:
        size = f"{image.width}x{image.height} = {image.width * image.height} pixels"
        yield "size", f"it is of {size}, expected at most {MAX_FILE_PIXELS}; scale it down, and its labels alike"
    if not image.tasks:
        yield (
            "no labels",
            "tasks is empty: it has no label; remove its entry, or list what it is labelled for",
        )
    for task in image.tasks:
        if task not in TASKS:
            yield "index", f"tasks lists '{cut(task)}', expected some of {', '.join(TASKS)}"
        elif LABELS[task].has_classes and not index.description.labels(task):
            yield "unknown class", f"tasks lists '{task}', but {task}_labels of dataset.json is empty"
    if image.camera is None:
        for task in image.tasks:
            if task in LABELS and LABELS[task].needs_camera:
                yield "camera", f"it is labelled for {task} and has no camera: metres can't be learned from an unknown lens"
    elif image.camera not in index.cameras:
        yield "camera", f"its camera '{cut(image.camera)}' is not in cameras.json"
    else:
        camera = index.cameras[image.camera]
        if (camera.width, camera.height) != (image.width, image.height):
            sizes = f"camera '{cut(image.camera)}' is of {camera.width}x{camera.height}, the image of {image.width}x{image.height}"
            yield "camera", f"{sizes}; a resized image needs intrinsics scaled alike"
    if image.detection_labels is not None:
        unknown = sorted(set(image.detection_labels) - set(index.description.labels(BOXED)))
        if unknown:
            yield "unknown class", f"detection_labels lists {listed(unknown)}, which dataset.json does not"
        if not image.detection_labels and BOXED in image.tasks and image.id not in index.proposed:
            yield "no labels", f"detection_labels is empty; remove '{BOXED}' from its tasks instead"
    unknown = sorted(set(image.classes) - set(index.description.labels(NAMED)))
    if unknown:
        yield (
            "unknown class",
            f"classes lists {listed(unknown)}, which are not among the {NAMED}_labels of dataset.json",
        )
    if image.classes and NAMED not in image.tasks:
        yield "index", f"it has classes, but its tasks do not list '{NAMED}'"


def _annotation_problems(index: Index) -> Iterator[Problem]:
    images = {image.id: image for image in index.images}
    # Most boxes are right; look closer at those only that may not be.
    xywh = np.array([annotation.bbox for annotation in index.annotations], np.float64).reshape(-1, 4)
    xywh = np.clip(xywh, -1e9, 1e9)  # far outside anyway, and their sums are numbers
    sizes = {image.id: (image.width, image.height) for image in index.images}
    limits = np.array([sizes.get(annotation.image_id, (0, 0)) for annotation in index.annotations], np.float64).reshape(-1, 2)
    outside = (xywh[:, :2] < -ROUNDING_PX).any(1) | (xywh[:, :2] + xywh[:, 2:] > limits + ROUNDING_PX).any(1)
    visible = np.minimum(xywh[:, :2] + xywh[:, 2:], limits) - np.maximum(xywh[:, :2], 0)
    empty = (xywh[:, 2:] <= 0).any(1) | (visible <= 0).any(1)
    for i, annotation in enumerate(index.annotations):
        image = images.get(annotation.image_id)
        if image is None:
            text = f"annotation {annotation.id} is of image {annotation.image_id}, which is not listed"
            yield Problem("index", f"{index.annotations_file}: {text}")
            continue
        where = f"{called(image)}: annotation {annotation.id}"
        name = index.categories.get(annotation.category_id)
        if name is None:
            yield Problem("unknown class", f"{where} is of category {annotation.category_id}, which is not listed")
        elif image.detection_labels is not None and name not in image.detection_labels and annotation.score is None:
            yield Problem(
                "unused",
                f"{where} is a {cut(name)}, which the image's detection_labels leaves out",
                is_error=False,
            )
        if BOXED not in image.tasks:
            yield Problem("unused", f"{where} is a box, but the image's tasks do not list '{BOXED}'", is_error=False)
        box = list(annotation.bbox)
        if outside[i]:
            yield Problem(
                "box",
                f"{where}: box {box} (x, y, width, height) reaches beyond the image of {image.width}x{image.height}",
            )
        elif empty[i]:
            yield Problem("box", f"{where}: box {box} (x, y, width, height) is empty")
