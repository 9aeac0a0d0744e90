# SPDX-License-Identifier: Apache-2.0
"""Between importers and exporters: pictures and their labels, nothing of it decoded yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.importers.image_file import ImageBytes
from mtl_perception.data.importers.shapes import Shape

__all__ = ["IdMap", "ImageSource", "Instance", "InstanceSource", "Labelled", "MetreMap", "Notes", "Picture"]


class ImageSource(Protocol):
    """Where a picture's pixels are: a file, a frame of a recording, a row of an array file."""

    def read(self) -> ImageBytes | np.ndarray:
        """The file as it is, or (H, W, 3) uint8 RGB.

        Raises:
            DataError: there is none, or it can't be read.
        """
        ...


class IdMap(Protocol):
    """Where a map of class ids is. It can be sent to another process."""

    def read(self) -> np.ndarray:
        """(H, W) integers: index into the label list of its task, negative where unlabelled. Lanes: bit k for class k.

        Raises:
            DataError: it can't be read, or holds ids or colours without a name.
        """
        ...


class MetreMap(Protocol):
    """Where a depth image is. It can be sent to another process."""

    def read(self) -> np.ndarray:
        """(H, W) float32 metres along the optical axis; 0, negative or not finite where unknown.

        Raises:
            DataError: it can't be read.
        """
        ...


class InstanceSource(Protocol):
    """Where objects are that only a look into the picture's label image tells. It can be sent to another process."""

    def read(self) -> Sequence[Instance]:
        """Raises DataError: it can't be read."""
        ...


class Instance(NamedTuple):
    """One labelled object. A tuple: there may be a million, and they go to other processes.

    Attributes:
        label: its class, one of ``Labelled.detection_labels``.
        box_xyxy: pixels of the picture, right and bottom edges exclusive; None: the box around ``shape``.
        shape: which pixels it covers; None where only the box is known.
        is_crowd: a group of objects that nobody told apart.
        box_3d: ``center_m``, ``size_m``, ``quaternion_xyzw`` in the camera's optical frame.
        score: of a box that a network proposed; None: somebody drew it.
        track: the same in all pictures of the group that show this object; None where nobody followed it.
    """

    label: str
    box_xyxy: tuple[float, float, float, float] | None = None
    shape: Shape | None = None
    is_crowd: bool = False
    box_3d: Mapping[str, Sequence[float]] | None = None
    track: str | int | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture with its labels; a label that is None is not labelled, which differs from "nothing is there".

    Attributes:
        name: its path within the source, with ``/``, which is kept below ``images/``.
        image: its pixels.
        size: width and height that the label files say; None where they say nothing.
        is_normalized: boxes and shapes are in shares of the picture's width and height, not in pixels.
        group: what a split must keep together; None: the picture stands alone.
        side: where the source's own split has it: "train", "val", "test"; None where it has none.
        objects: every object of the detection labels, or of ``exhaustive``.
        exhaustive: the classes whose objects all have boxes; None: all of them.
        semantic: ids of ``Labelled.segmentation_labels``.
        depth: along the optical axis.
        camera: of the picture as the labels see it; ``depth_is_nominal``: its metres are right up to a factor only.
        classes: what the picture as a whole is.
        lanes: bits of ``Labelled.lanes_labels``.
        labels_are_upright: labels are drawn on the picture as a viewer shows it, turned by its EXIF orientation. Where the
            labels say a size that only fits the stored pixels, that decides.
        extra: more keys for its entry in annotations.json, such as ``pose``.
        where: file and line of its labels, for messages.
    """

    name: str
    image: ImageSource
    size: tuple[int, int] | None = None
    is_normalized: bool = False
    group: str | None = None
    side: str | None = None
    instances: Sequence[Instance] | InstanceSource | None = None
    exhaustive: Sequence[str] | None = None
    semantic: IdMap | None = None
    depth: MetreMap | None = None
    camera: Intrinsics | None = None
    depth_is_nominal: bool = False
    classes: Sequence[str] | None = None
    lanes: IdMap | None = None
    labels_are_upright: bool = True
    extra: Mapping[str, Any] | None = None
    where: str = ""


class Notes:
    """Notes on what is not brought along, or was changed; each kind once, counted, with an example."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, kind: str, example: object = "", count: int = 1) -> None:
        if count > 0:
            self.counts[kind] += count
            self.examples.setdefault(kind, str(example))

    def merge(self, counts: Mapping[str, int], examples: Mapping[str, str]) -> None:
        for kind, count in counts.items():
            self.add(kind, examples.get(kind, ""), count)

    def lines(self) -> list[str]:
        """Most frequent first."""
        return [
            f"{kind}: {count}" + (f" (such as {self.examples[kind]})" if self.examples[kind] else "")
            for kind, count in self.counts.most_common()
        ]


@dataclass
class Labelled:
    """A data set of another format.

    Attributes:
        pictures: a list, or an iterable that gives them once, in the order of their names.
        detection_labels, segmentation_labels, classification_labels, lanes_labels: names, in the order of ids where there are.
        notes: what the format holds and was not read.
        total: how many pictures, where ``pictures`` has no length.
        keeps_unlabelled: pictures without a label are worth having too: they go to ``unlabelled/``, to be labelled.
        origin: kept in dataset.json: what says how the data came about.
        source, license: of the pictures, as dataset.json tells them.
    """

    pictures: Iterable[Picture]
    detection_labels: list[str] = field(default_factory=list)
    segmentation_labels: list[str] = field(default_factory=list)
    classification_labels: list[str] = field(default_factory=list)
    lanes_labels: list[str] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    total: int | None = None
    keeps_unlabelled: bool = False
    origin: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    license: str = ""
