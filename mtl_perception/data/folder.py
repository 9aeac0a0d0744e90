# SPDX-License-Identifier: Apache-2.0
"""Reads a folder of labelled images, format 2 (docs/data.md)."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.boxes import BoxArrays, BoxTable
from mtl_perception.data.cache import PixelCache, Pixels, maps_of
from mtl_perception.data.format import DataError, ImageEntry
from mtl_perception.data.index import Index, find_problems, read_index, stem
from mtl_perception.data.mask_table import MaskTable
from mtl_perception.data.pixels import read_map, read_rgb
from mtl_perception.data.split import split_groups
from mtl_perception.tasks import BOXED, LABELS, BoxesCodec, ClassesCodec, MadeCodec, MapCodec, MasksCodec, Sample, known_among

__all__ = ["DataError", "ImageFolder"]


class ImageFolder:
    """A data set on disk, read one sample at a time; or a part of one, or one in other labels.

    Attributes:
        root: the folder.
        labels: by kind, class names in the order of the ids in samples; of the kinds that have classes.
        entries: of annotations.json, one for each sample, in the order of the file names.

    Raises:
        DataError: an index file is missing or can't be understood, or they contradict each other.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        index = read_index(self.root)
        _raise_first_problems(index)
        self._own_labels = {kind: index.description.labels(kind) for kind, codec in LABELS.items() if codec.has_classes}
        self.labels: dict[str, list[str]] = dict(self._own_labels)
        self.entries: list[ImageEntry] = sorted(index.images, key=lambda image: image.file_name)
        self._named: dict[str, np.ndarray] = {}
        self._own = index.description
        self._cameras = index.cameras
        self._own_boxes = self._boxes = BoxTable(index, BOXED)
        self._cache: PixelCache | None = None
        self._masks: MaskTable | None = None

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
        labels = {kind: self._label(kind, entry, pixels) for kind in LABELS if kind in entry.tasks and LABELS[kind].place != "made"}
        # Labels of classes that nobody asks for are none.
        labels = {kind: label for kind, label in labels.items() if getattr(label, "teaches", True)}
        camera = None if entry.camera is None else self._cameras[entry.camera]
        is_metric = camera is None or camera.depth_scale == "metric"
        sample = Sample(str(self.root / "images" / entry.file_name), pixels.image, self.intrinsics(i), labels, is_metric, self._named)
        for kind in entry.tasks:
            if isinstance(codec := LABELS[kind], MadeCodec):
                labels[kind] = codec.make(self._label(codec.made_from, entry, pixels), sample)
            elif isinstance(codec, MasksCodec):
                labels[kind] = self._instances(codec, entry)
        return sample

    def _label(self, kind: str, entry: ImageEntry, pixels: Pixels) -> Any:
        codec = LABELS[kind]
        own, wanted = self._own_labels.get(kind, []), self.labels.get(kind, [])
        if isinstance(codec, MapCodec):
            return codec.label(pixels.maps[kind], own, wanted)
        if isinstance(codec, ClassesCodec):
            return codec.of_classes(np.isin(wanted, entry.classes), known_among(wanted, own))
        assert isinstance(codec, BoxesCodec)
        return codec.of_boxes(*self._boxes.of_image(entry))

    def _instances(self, codec: MasksCodec, entry: ImageEntry) -> Any:
        assert self._masks is not None  # by with_tasks, without which nobody asks
        masks = [self._masks.mask(place, entry) for place in self._boxes.places(entry).tolist()]
        return codec.of_masks(masks, self._boxes.of_image(entry).class_ids, (entry.height, entry.width))

    def _read(self, entry: ImageEntry) -> Pixels:
        size, name = (entry.width, entry.height), stem(entry)
        image = read_rgb(self.root / "images" / entry.file_name, *size)
        folders = {kind: self.root / codec.folder / name for kind, codec in maps_of(entry).items()}
        classes = {kind: len(self._own_labels.get(kind, [])) for kind in folders}
        maps = {kind: read_map(folders[kind], codec, *size, classes[kind]) for kind, codec in maps_of(entry).items()}
        return Pixels(image, maps)

    def box_arrays(self, i: int) -> BoxArrays | None:
        """The boxes of sample ``i``, without reading its files; None where it is not labelled for them."""
        entry = self.entries[i]
        return self._boxes.of_image(entry) if BOXED in entry.tasks else None

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

    def subset(self, indices: Sequence[int] | np.ndarray) -> ImageFolder:
        """The samples ``indices``, in that order, as a folder that shares this one's index."""
        part = copy.copy(self)
        part.entries = [self.entries[int(i)] for i in indices]
        return part

    def with_tasks(self, tasks: Iterable[str]) -> ImageFolder:
        """The images that are labelled for any of ``tasks``, without their other labels, which are then not read either.

        Only here labels are made that a folder does not hold but that can be made of what it holds.
        """
        wanted = set(tasks)
        part = copy.copy(self)
        if any(isinstance(LABELS[kind], MasksCodec) for kind in wanted & LABELS.keys()):
            part._masks = self._masks or MaskTable(self.root)
        labelled = [[kind for kind in LABELS if kind in wanted and part._can_have(kind, entry)] for entry in self.entries]
        part.entries = [dataclasses.replace(entry, tasks=kinds) for entry, kinds in zip(self.entries, labelled, strict=True) if kinds]
        return part

    def _can_have(self, kind: str, entry: ImageEntry) -> bool:
        codec = LABELS[kind]
        if isinstance(codec, MasksCodec):
            assert self._masks is not None
            return codec.made_from in entry.tasks and self._masks.is_known_in(entry)
        return kind in entry.tasks or codec.made_from in entry.tasks

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

    def with_labels(self, labels: Mapping[str, Sequence[str]]) -> ImageFolder:
        """The same samples with the ids of other label lists, by kind, matched by name; a kind that is missing keeps its list.

        Pixels of a class that is not asked for become unlabelled (255) and its boxes go; a class that this folder does not
        know is unlabelled in each of its images.

        Raises:
            ValueError: a list has more names than there are ids.
        """
        renamed = copy.copy(self)
        renamed.labels = self.labels | {kind: list(names) for kind, names in labels.items() if kind in self.labels}
        for kind, names in renamed.labels.items():
            if isinstance(codec := LABELS[kind], MapCodec):
                codec.check_wanted(names)
        named = {kind: known_among(names, self._own_labels[kind]) for kind, names in renamed.labels.items()}
        renamed._named = {kind: which for kind, which in named.items() if which is not None}
        # From the folder's own list, not from this view's: what an earlier view left out is not lost.
        renamed._boxes = self._own_boxes.with_labels(self._own_labels[BOXED], renamed.labels[BOXED])
        return renamed


def _raise_first_problems(index: Index) -> None:
    problems = [problem for problem in find_problems(index) if problem.is_error]
    if problems:
        first = "; ".join(problem.text for problem in problems[:3])
        rest = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise DataError(f"{index.root}: {first}{rest} ('mtl-perception check {index.root}' lists all)", problems[0].kind)
