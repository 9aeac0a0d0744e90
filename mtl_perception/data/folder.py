# SPDX-License-Identifier: Apache-2.0
"""Reads a folder of labelled images, format 2 (docs/data.md)."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.boxes import BoxTable
from mtl_perception.data.cache import PixelCache, Pixels
from mtl_perception.data.format import DataError, ImageEntry, MaskedAnnotations, parse
from mtl_perception.data.index import Index, find_problems, read_index, stem
from mtl_perception.data.label_lists import bit_table, id_table, known
from mtl_perception.data.masks import decode_mask
from mtl_perception.data.pixels import read_lanes, read_millimetres, read_rgb, read_semantic
from mtl_perception.data.sample import ClassLabels, LaneLabels, Sample
from mtl_perception.data.split import split_groups

__all__ = ["DataError", "ImageFolder"]


class ImageFolder:
    """A data set on disk, read one sample at a time; or a part of one, or one in other labels.

    Attributes:
        root: the folder.
        segmentation_labels, detection_labels, classification_labels, lanes_labels: class names in the order of the ids in
            samples.
        entries: of annotations.json, one for each sample, in the order of the file names.

    Raises:
        DataError: an index file is missing or can't be understood, or they contradict each other.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        index = read_index(self.root)
        _raise_first_problems(index)
        self.segmentation_labels: list[str] = list(index.description.segmentation_labels)
        self.detection_labels: list[str] = list(index.description.detection_labels)
        self.classification_labels: list[str] = list(index.description.classification_labels)
        self.lanes_labels: list[str] = list(index.description.lanes_labels)
        self.entries: list[ImageEntry] = sorted(index.images, key=lambda image: image.file_name)
        self._own = index.description
        self._cameras = index.cameras
        self._own_boxes = self._boxes = BoxTable(index)
        # (256,) own id → id in samples, and own bits → bits in samples; None: the same.
        self._segmentation_ids: np.ndarray | None = None
        self._lanes_bits: np.ndarray | None = None
        self._cache: PixelCache | None = None
        self._masks: dict[int, Any] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, i: int) -> Sample:
        """Sample ``i``, with the labels that its entry in annotations.json lists under ``tasks``.

        Raises:
            DataError: a file of this sample is missing, unreadable, of another size than the image, or holds ids or
                depth that can't be.
        """
        entry = self.entries[i]
        pixels = self._read(entry) if self._cache is None else self._cache.get(entry, self._read)
        labels: dict[str, Any] = {}
        if "detection" in entry.tasks:
            labels["detection"] = self._boxes.of_image(entry)
        if "segmentation" in entry.tasks:
            ids = self._segmentation_ids
            labels["segmentation"] = pixels.semantic if ids is None else cv2.LUT(pixels.semantic, ids)
        if "depth" in entry.tasks:
            labels["depth"] = pixels.millimetres * np.float32(1e-3)
        if "classification" in entry.tasks:
            present = np.isin(self.classification_labels, entry.classes)
            labels["classification"] = ClassLabels(present, known(self.classification_labels, self._own.classification_labels))
        if "lanes" in entry.tasks:
            bits = pixels.lanes if self._lanes_bits is None else cv2.LUT(pixels.lanes, self._lanes_bits)
            labels["lanes"] = LaneLabels(bits, known(self.lanes_labels, self._own.lanes_labels))
        # Labels of classes that nobody asks for are none.
        labels = {kind: label for kind, label in labels.items() if getattr(label, "teaches", True)}
        camera = None if entry.camera is None else self._cameras[entry.camera]
        is_metric = camera is None or camera.depth_scale == "metric"
        return Sample(str(self.root / "images" / entry.file_name), pixels.image, self.intrinsics(i), labels, is_metric)

    def _read(self, entry: ImageEntry) -> Pixels:
        size, labels = (entry.width, entry.height), stem(entry)
        image = read_rgb(self.root / "images" / entry.file_name, *size)
        semantic = millimetres = lanes = None
        if "segmentation" in entry.tasks:
            semantic = read_semantic(self.root / "semantic" / labels, *size, len(self._own.segmentation_labels))
        if "depth" in entry.tasks:
            millimetres = read_millimetres(self.root / "depth" / labels, *size)
        if "lanes" in entry.tasks:
            lanes = read_lanes(self.root / "lanes" / labels, *size, len(self._own.lanes_labels))
        return Pixels(image, semantic, millimetres, lanes)

    @property
    def image_files(self) -> list[Path]:
        """The file of each sample's image."""
        return [self.root / "images" / entry.file_name for entry in self.entries]

    def intrinsics(self, i: int) -> Intrinsics:
        """Of sample ``i``. For a camera that is not calibrated a focal length of the image's width is assumed; such an
        image has no depth, and nothing else asks for the focal length."""
        entry = self.entries[i]
        if entry.camera is None:
            width, height = entry.width, entry.height
            return Intrinsics(width, height, width, width, (width - 1) / 2, (height - 1) / 2)
        camera = self._cameras[entry.camera]
        return Intrinsics(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)

    @property
    def origin(self) -> dict[str, str]:
        """Name, source and licence of the data, as far as dataset.json says."""
        told = {"name": self.root.name, "source": self._own.source, "license": self._own.license}
        return {key: value for key, value in told.items() if value}

    def instance_masks(self, i: int) -> np.ndarray:
        """(N, H, W) bool, the visible pixels of the N boxes of sample ``i``, all False where a box has no mask.

        The first call reads the masks of the whole folder, which are most of annotations.json.

        Raises:
            ImportError: faster-coco-eval is not installed.
            DataError: the masks can't be understood.
        """
        entry = self.entries[i]
        if self._masks is None:
            found = parse(self.root / "annotations.json", MaskedAnnotations).annotations
            self._masks = {annotation.id: annotation.segmentation for annotation in found}
        masks = np.zeros((len(self._boxes.annotation_ids(entry)), entry.height, entry.width), bool)
        for mask, id_ in zip(masks, self._boxes.annotation_ids(entry)):
            try:
                mask[:] = decode_mask(self._masks.get(id_), entry.height, entry.width)
            except ValueError as error:
                raise DataError(f"{self.root}: {entry.file_name}: annotation {id_}: {error}", "mask") from error
        return masks

    def subset(self, indices: Sequence[int] | np.ndarray) -> ImageFolder:
        """The samples ``indices``, in that order, as a folder that shares this one's index."""
        part = copy.copy(self)
        part.entries = [self.entries[int(i)] for i in indices]
        return part

    def with_tasks(self, tasks: Iterable[str]) -> ImageFolder:
        """The images that are labelled for any of ``tasks``, without their other labels, which are then not read either."""
        wanted = set(tasks)
        part = copy.copy(self)
        part.entries = [
            dataclasses.replace(entry, tasks=[task for task in entry.tasks if task in wanted])
            for entry in self.entries
            if not wanted.isdisjoint(entry.tasks)
        ]
        return part

    def cached(self, directory: Path | None = None) -> ImageFolder:
        """The same samples, decoded once only and then taken from memory (``PixelCache``), by loader processes too.

        Arrays of its samples are not to be written to. An image that is replaced on disk meanwhile is not noticed.

        Raises:
            OSError: there is no room for the cache.
        """
        folder = copy.copy(self)
        folder._cache = PixelCache(self.entries, directory)
        return folder

    def split(self, share: float, seed: int = 0) -> tuple[ImageFolder, ImageFolder]:
        """The rest, and the samples of about ``share`` of the groups; no group is in both.

        A group's side depends on its name and ``seed`` alone, so it stays when the folder grows, and what a smaller
        share holds a larger one holds too.

        Raises:
            DataError: there is one group only, so no honest split.
        """
        chosen = split_groups([entry.group for entry in self.entries], share, seed, str(self.root))
        sides = [[i for i, entry in enumerate(self.entries) if (entry.group in chosen) == side] for side in (False, True)]
        return self.subset(sides[0]), self.subset(sides[1])

    def with_labels(
        self,
        segmentation_labels: Sequence[str],
        detection_labels: Sequence[str],
        classification_labels: Sequence[str] | None = None,
        lanes_labels: Sequence[str] | None = None,
    ) -> ImageFolder:
        """The same samples with the ids of other label lists, matched by name; None leaves a list as it is.

        Pixels of a class that is not asked for become unlabelled (255) and its boxes go; a class that this folder does not
        know is unlabelled in each of its images (``BoxLabels.labelled``).
        """
        renamed = copy.copy(self)
        renamed.segmentation_labels, renamed.detection_labels = (
            list(segmentation_labels),
            list(detection_labels),
        )
        if classification_labels is not None:
            renamed.classification_labels = list(classification_labels)
        if lanes_labels is not None:
            renamed.lanes_labels = list(lanes_labels)
        # From the folder's own lists, not from this view's: what an earlier view left out is not lost.
        renamed._segmentation_ids = id_table(self._own.segmentation_labels, renamed.segmentation_labels)
        renamed._lanes_bits = bit_table(self._own.lanes_labels, renamed.lanes_labels)
        renamed._boxes = self._own_boxes.with_labels(self._own.detection_labels, renamed.detection_labels)
        return renamed


def _raise_first_problems(index: Index) -> None:
    problems = [problem for problem in find_problems(index) if problem.is_error]
    if problems:
        first = "; ".join(problem.text for problem in problems[:3])
        rest = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise DataError(f"{index.root}: {first}{rest} ('mtl-perception check {index.root}' lists all)", problems[0].kind)
