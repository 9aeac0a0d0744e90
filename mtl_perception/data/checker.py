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
from typing import TypeVar

import numpy as np

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.image_files import MAX_FILE_PIXELS, orientation
from mtl_perception.core.scene import UNLABELLED
from mtl_perception.data.content import printed
from mtl_perception.data.errors import DataError, Problem
from mtl_perception.data.format import Camera, ImageEntry, MaskedAnnotation
from mtl_perception.data.index import Index, called, fault_of_name, find_problems, listed, stem
from mtl_perception.data.masks import decode_mask
from mtl_perception.data.pixels import decode_photograph, read_lanes, read_millimetres, read_picture, read_semantic

DEPTH_BIN_MM = 50
MASK_TO_BOX_PX = 2

_DEPTH_BINS = 65535 // DEPTH_BIN_MM + 1

T = TypeVar("T")


@dataclass
class Findings:
    """The content of a folder, and what is wrong with it.

    Attributes:
        labelled: images by task.
        boxes, boxed_images: boxes, and images with any, by class.
        pixels: (256,) by segmentation id.
        depth_bins: pixels by depth, in steps of ``DEPTH_BIN_MM``.
    """

    index: Index
    problems: list[Problem] = field(default_factory=list)
    labelled: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)
    boxed_images: Counter[str] = field(default_factory=Counter)
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    depth_bins: np.ndarray = field(default_factory=lambda: np.zeros(_DEPTH_BINS, np.int64))

    @property
    def errors(self) -> int:
        return sum(problem.is_error for problem in self.problems)

    def depth_range_m(self, low: float = 0.01, high: float = 0.99) -> tuple[float, float] | None:
        """The depth below which ``low`` and ``high`` of all known pixels lie; None if there is none."""
        if not self.depth_bins.sum():
            return None
        below = np.cumsum(self.depth_bins) / self.depth_bins.sum()
        first, last = (int(np.searchsorted(below, share)) for share in (low, high))
        return first * DEPTH_BIN_MM / 1000, (last + 1) * DEPTH_BIN_MM / 1000


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
            findings.pixels += report.pixels
            findings.depth_bins += report.depth_bins
            digests.append(report.digest)
            on_image(done)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    findings.problems += _copies(index, digests)
    return findings


@dataclass
class _Report:
    """Findings of one image's files: problems, pixels by class and by depth, and which picture it is."""

    problems: list[Problem] = field(default_factory=list)
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    depth_bins: np.ndarray = field(default_factory=lambda: np.zeros(_DEPTH_BINS, np.int64))
    digest: bytes | None = None


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
    mask = None
    if "segmentation" in image.tasks:
        path = index.root / "semantic" / labels
        mask = attempt(read_semantic, path, *size, len(index.description.segmentation_labels), quiet=True)
        if mask is not None:
            report.pixels = np.bincount(mask.ravel(), minlength=256)
            if report.pixels[UNLABELLED] == mask.size:
                text = f"{printed(path)} is {UNLABELLED} (unlabelled) everywhere; it teaches nothing"
                report.problems.append(Problem("no labels", text, is_error=False))
    if "depth" in image.tasks:
        millimetres = attempt(read_millimetres, index.root / "depth" / labels, *size, quiet=True)
        if millimetres is not None:
            known = millimetres[millimetres > 0]
            report.depth_bins = np.bincount(known // DEPTH_BIN_MM, minlength=_DEPTH_BINS)
    if "lanes" in image.tasks:
        attempt(read_lanes, index.root / "lanes" / labels, *size, len(index.description.lanes_labels), quiet=True)
    for annotation in boxes:
        if annotation.segmentation:
            report.problems += _mask_problems(index, image, annotation, mask)
    return report


def _orientation_problems(path: Path, content: bytes) -> Iterator[Problem]:
    turned = orientation(content)
    if turned != 1:
        text = (
            f"{printed(path)} has the EXIF orientation {turned}, which is not applied: where its labels were drawn on the "
            "turned picture, turn the file itself (such as by ImageMagick's mogrify -auto-orient)"
        )
        yield Problem("orientation", text, is_error=False)


def _mask_problems(index: Index, image: ImageEntry, annotation: MaskedAnnotation, semantic: np.ndarray | None) -> Iterator[Problem]:
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
    if semantic is not None and name in index.description.segmentation_labels:
        share = float((semantic[mask] == index.description.segmentation_labels.index(name)).mean())
        if share < 0.5:
            yield Problem("mask", f"{where}: semantic/ says {cut(name)} for {share:.0%} of its mask's pixels", is_error=False)


def _remarks(index: Index) -> Iterator[Problem]:
    """What is odd and need not be wrong."""
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
    for folder, task in {"semantic": "segmentation", "depth": "depth", "lanes": "lanes"}.items():
        expected[folder] = {str(stem(image)) for image in images if task in image.tasks}
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
