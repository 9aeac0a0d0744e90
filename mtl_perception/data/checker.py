# SPDX-License-Identifier: Apache-2.0
"""Goes over a whole data folder and names everything that is broken."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

import numpy as np

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.image_files import MAX_FILE_PIXELS, orientation
from mtl_perception.data.content import printed
from mtl_perception.data.errors import DataError, Problem
from mtl_perception.data.format import Camera, ImageEntry, MaskedAnnotation
from mtl_perception.data.index import Index, called, fault_of_name, find_problems, listed, stem
from mtl_perception.data.masks import decode_mask
from mtl_perception.data.pixels import decode_photograph, read_map, read_picture
from mtl_perception.tasks import LABELS, MapCodec

MASK_TO_BOX_PX = 2

T = TypeVar("T")


@dataclass
class Findings:
    """The content of a folder, and what is wrong with it.

    Attributes:
        labelled: images by task.
        boxes, boxed_images: boxes, and images with any, by class.
        counts: by kind of label, what ``MapCodec.count`` counts, summed over the images.
    """

    index: Index
    problems: list[Problem] = field(default_factory=list)
    labelled: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)
    boxed_images: Counter[str] = field(default_factory=Counter)
    counts: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        return sum(problem.is_error for problem in self.problems)


def check_files(index: Index, on_image: Callable[[int], None] = lambda done: None) -> Findings:
    """Read every file that ``index`` names, and look for those it does not.

    Args:
        index: with the instances' masks.
        on_image: told how many images are done.
    """
    findings = Findings(index, [*find_problems(index), *_remarks(index)])
    boxes: dict[int, list[MaskedAnnotation]] = defaultdict(list)
    for annotation in index.annotations:
        boxes[annotation.image_id].append(annotation)
    _count_labels(findings, boxes)
    # Decoders work outside Python's lock, so threads suffice.
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    digests: list[bytes | None] = []
    try:
        reports = pool.map(lambda image: _check_image(index, image, boxes.get(image.id, [])), index.images)
        for done, report in enumerate(reports, start=1):
            findings.problems += report.problems
            for kind, counts in report.counts.items():
                findings.counts[kind] = findings.counts[kind] + counts if kind in findings.counts else counts
            digests.append(report.digest)
            on_image(done)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    findings.problems += _copies(index, digests)
    return findings


@dataclass
class _Report:
    """Findings of one image's files: problems, counts by kind of label, and which picture it is."""

    problems: list[Problem] = field(default_factory=list)
    counts: dict[str, np.ndarray] = field(default_factory=dict)
    digest: bytes | None = None


class _Regions(NamedTuple):
    """The map of an image that gives each pixel one class: its folder, the names of the ids, and (H, W) ids."""

    folder: str
    classes: list[str]
    ids: np.ndarray


def _count_labels(findings: Findings, boxes: dict[int, list[MaskedAnnotation]]) -> None:
    for image in findings.index.images:
        findings.labelled.update(set(image.tasks))
        names = Counter(findings.index.categories.get(annotation.category_id, "?") for annotation in boxes.get(image.id, []))
        findings.boxes += names
        findings.boxed_images.update(names.keys())


def _check_image(index: Index, image: ImageEntry, boxes: list[MaskedAnnotation]) -> _Report:
    report = _Report()
    if fault_of_name(image.file_name) or image.width * image.height > MAX_FILE_PIXELS:  # named already
        return report

    def attempt(read: Callable[..., T], path: Path, *arguments: object, **options: object) -> T | None:
        try:
            return read(path, *arguments, **options)
        except DataError as error:
            report.problems.append(Problem(error.kind, str(error)))
            return None

    path, size, labels = index.root / "images" / image.file_name, (image.width, image.height), stem(image)
    content = attempt(read_picture, path)
    if content is not None:
        report.digest = hashlib.blake2b(content, digest_size=16).digest()
        if attempt(decode_photograph, path, content, *size, quiet=True) is not None:
            report.problems += _orientation_problems(path, content)
    regions = None
    for kind, codec in LABELS.items():
        if not isinstance(codec, MapCodec) or kind not in image.tasks:
            continue
        path, classes = index.root / codec.folder / labels, index.description.labels(kind)
        stored = attempt(read_map, path, codec, *size, len(classes), quiet=True)
        if stored is None:
            continue
        if (counts := codec.count(stored)) is not None:
            report.counts[kind] = counts
        if remark := codec.remark(stored):
            report.problems.append(Problem("no labels", f"{printed(path)} {remark}", is_error=False))
        if (ids := codec.regions(stored)) is not None:
            regions = _Regions(codec.folder, classes, ids)
    for annotation in boxes:
        if annotation.segmentation:
            report.problems += _mask_problems(index, image, annotation, regions)
    return report


def _orientation_problems(path: Path, content: bytes) -> Iterator[Problem]:
    turned = orientation(content)
    if turned != 1:
        text = (
            f"{printed(path)} has the EXIF orientation {turned}, which is not applied: where its labels were drawn on the "
            "turned picture, turn the file itself (such as by ImageMagick's mogrify -auto-orient)"
        )
        yield Problem("orientation", text, is_error=False)


def _mask_problems(index: Index, image: ImageEntry, annotation: MaskedAnnotation, regions: _Regions | None) -> Iterator[Problem]:
    where = f"{called(image)}: annotation {annotation.id}"
    try:
        mask = decode_mask(annotation.segmentation, image.height, image.width)
    except ValueError as error:
        yield Problem("mask", f"{where}: {error}")
        return
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        yield Problem("mask", f"{where}: its mask is empty")
        return
    x, y, width, height = annotation.bbox
    found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    box = np.array([x, y, x + width, y + height])
    if (np.abs(found - box) > MASK_TO_BOX_PX).any():
        text = f"its mask spans {found.tolist()} (x, y, right, bottom), its box {box.tolist()}"
        yield Problem("mask", f"{where}: {text}; expected the same within {MASK_TO_BOX_PX} px")
    name = index.categories.get(annotation.category_id)
    if regions is not None and name in regions.classes:
        share = float((regions.ids[mask] == regions.classes.index(name)).mean())
        if share < 0.5:
            yield Problem("mask", f"{where}: {regions.folder}/ says {cut(name)} for {share:.0%} of its mask's pixels", is_error=False)


def _remarks(index: Index) -> Iterator[Problem]:
    """Yields what is odd and need not be wrong."""
    groups = {image.group for image in index.images}
    if len(groups) == 1:
        text = f"{index.annotations_file}: all images are of the group '{cut(groups.pop())}': none can be held out"
        yield Problem("group", text, is_error=False)
    for id_, camera in index.cameras.items():
        yield from (Problem("camera", f"{index.root / 'cameras.json'}: '{cut(id_)}' {text}", is_error=False) for text in _odd(camera))
    used = {image.camera for image in index.images}
    unused = sorted(index.cameras.keys() - used)
    if unused:
        text = f"{index.root / 'cameras.json'}: no image is of {listed(unused)}"
        yield Problem("unused", text, is_error=False)
    images = [image for image in index.images if not fault_of_name(image.file_name)]
    expected = {"images": {str(PurePosixPath(image.file_name)) for image in images}}
    for task, codec in LABELS.items():
        if isinstance(codec, MapCodec):
            expected[codec.folder] = {str(stem(image)) for image in images if task in image.tasks}
    for folder, names in expected.items():
        present = {path.relative_to(index.root / folder).as_posix() for path in (index.root / folder).rglob("*") if path.is_file()}
        left = sorted(present - names)
        if left:
            files = f"{len(left)} file{'s' * (len(left) > 1)}"
            text = f"{index.root / folder}: {files} of no image that is labelled so: {listed(left)}"
            yield Problem("unused", text, is_error=False)


def _copies(index: Index, digests: list[bytes | None]) -> Iterator[Problem]:
    """The same picture in two groups may end on both sides of a split."""
    first: dict[bytes, ImageEntry] = {}
    for image, content in zip(index.images, digests, strict=True):
        other = image if content is None else first.setdefault(content, image)
        if other.group != image.group:
            text = f"{called(image)} of group '{cut(image.group)}' is the same picture as {called(other)} of group '{cut(other.group)}'"
            yield Problem("duplicate", text, is_error=False)


def _odd(camera: Camera) -> Iterator[str]:
    view_deg = math.degrees(2 * math.atan(camera.width / 2 / camera.fx))
    if not 10 < view_deg < 150:
        yield f"has a field of view of {view_deg:.0f}° (fx {camera.fx:g} at a width of {camera.width})"
    if not 0.8 < camera.fx / camera.fy < 1.25:
        yield f"has fx {camera.fx:g} and fy {camera.fy:g}: are its pixels not square?"
    if not (0 <= camera.cx < camera.width and 0 <= camera.cy < camera.height):
        yield f"has its principal point ({camera.cx:g}, {camera.cy:g}) outside of the image of {camera.width}x{camera.height}"
