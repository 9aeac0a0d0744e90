# SPDX-License-Identifier: Apache-2.0
"""Images with their truth in a model's own labels, from a data folder or from a bag."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mtl_perception.bags import Bag, BagError, Topic, is_bag
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.evaluation.ground_truth import BagTruth
from mtl_perception.evaluation.truth import truth_of
from mtl_perception.tasks import Truth

Sample = tuple[np.ndarray, "Intrinsics | None", Truth]
"""(image_rgb, intrinsics, truth)."""


class Samples(Protocol):
    """Something to score a model on.

    Attributes:
        names: of the frames, in order; those that a pass left out are gone after it.
        tasks: what the data is labelled for, known to the model or not.
        left_out: classes of the data that the model does not know; they are not scored. Complete after a pass.
        problems: what could not be used and was not scored, in sentences. Complete after a pass.
        description: how the data came about, as far as it says.
    """

    tasks: set[str]
    left_out: set[str]
    problems: list[str]
    description: dict[str, Any]

    @property
    def names(self) -> list[str]: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Sample]: ...

    def behind(self, done: int) -> Iterator[Sample]:  # pyright: ignore[reportReturnType]
        """All but the first ``done`` of those that a pass gives."""

    def some(self, indices: Collection[int]) -> Iterator[tuple[int, Sample]]:  # pyright: ignore[reportReturnType]
        """(index, sample) of some of the frames, in order."""


@contextmanager
def open_samples(
    data: Path,
    card: Any,
    limit: int | None = None,
    image: str | None = None,
    camera_info: str | None = None,
) -> Iterator[Samples]:
    """The frames of a data folder or of a bag, or ``limit`` of them spread evenly.

    Args:
        card: of the model whose labels the truth is to have.
        image, camera_info: topics of a bag that has several.

    Raises:
        DataError: the folder can't be used.
        BagError: the bag can't be used.
    """
    if not data.exists():
        raise FileNotFoundError(f"{data} does not exist; expected a data folder, or a bag with ground truth")
    if not is_bag(data):
        yield FolderSamples(data, card, limit)
        return
    with Bag(data) as bag:
        topic = bag.find_image(image)
        yield BagSamples(bag, topic, bag.find_camera_info(topic, camera_info), card, limit)


class FolderSamples:
    """Every image of a data folder, or ``limit`` of them spread evenly; see ``Samples``.

    Raises:
        DataError: the folder can't be used; or, on the way, a file of it, by name.
    """

    def __init__(self, root: Path, card: Any, limit: int | None = None) -> None:
        from mtl_perception.data.folder import ImageFolder
        from mtl_perception.data.format import TASKS, parse_description

        folder = ImageFolder(root).with_tasks({*TASKS, *card.kinds})
        # By kind: a class may be boxed and not segmented. Of what the model does not do, ``tasks`` says enough.
        asked = [(names, card.labels_of(kind)) for kind, names in folder.labels.items() if card.labels_of(kind)]
        self.left_out = {name for own, known in asked for name in own if name not in known}
        self._folder = folder.with_labels({kind: card.labels_of(kind) for kind in folder.labels}).subset(_spread(len(folder), limit))
        self.names = [entry.file_name for entry in self._folder.entries]
        self.tasks = {task for entry in self._folder.entries for task in entry.tasks}
        self.problems: list[str] = []
        description = parse_description(root / "dataset.json").model_dump()
        self.description = {name: value for name, value in description.items() if not name.endswith("_labels")}

    def __len__(self) -> int:
        return len(self._folder)

    def __iter__(self) -> Iterator[Sample]:
        return self.behind(0)

    def behind(self, done: int) -> Iterator[Sample]:
        return (sample for _, sample in self.some(range(done, len(self))))

    def some(self, indices: Collection[int]) -> Iterator[tuple[int, Sample]]:
        for index in sorted(indices):
            sample = self._folder[index]
            yield index, (sample.image, sample.intrinsics, truth_of(sample))


class BagSamples:
    """Every image of an open bag that has ground truth, or ``limit`` of them spread evenly; see ``Samples``.

    Attributes:
        stamps_ns: of the images, in order; after a pass, of those that it gave.

    Raises:
        BagError: no image has ground truth, or the bag is damaged.
    """

    def __init__(self, bag: Bag, image: Topic, camera_info: Topic | None, card: Any, limit: int | None = None) -> None:
        self._bag, self._image, self._camera_info = bag, image, camera_info
        self._truth = BagTruth(bag, card.detection_labels, card.segmentation_labels)
        if not len(self._truth):
            raise BagError(f"bag {bag.path} holds no ground truth under /ground_truth/: there is nothing to score")
        self._labelled = [self._truth.stamps_ns[index] for index in _spread(len(self._truth), limit)]
        self.stamps_ns = self._labelled
        self.tasks = self._truth.tasks
        self.left_out = self._truth.left_out
        self.problems: list[str] = []
        self.description = {"duration_s": bag.duration_s, "images": image.count, "topic": image.name}

    def __len__(self) -> int:
        return len(self._labelled)

    @property
    def names(self) -> list[str]:
        return [self._name(stamp) for stamp in self.stamps_ns]

    def __iter__(self) -> Iterator[Sample]:
        self.stamps_ns, self.problems = self._labelled, []
        given = []
        for index, sample in self.some(range(len(self))):
            given.append(self._labelled[index])
            yield sample
        self.stamps_ns = given  # whoever scored them counts these alone
        missing = len(self) - len(given) - len(self.problems)
        if missing:
            self.problems.append(f"{missing} labelled stamps of {len(self)} have no image on {self._image.name}")

    def behind(self, done: int) -> Iterator[Sample]:
        return islice(self, done, None)  # what is wrong with the others is to be known too

    def some(self, indices: Collection[int]) -> Iterator[tuple[int, Sample]]:
        wanted = {self.stamps_ns[index]: index for index in indices}
        for frame in self._bag.frames(self._image, self._camera_info):
            index = wanted.pop(frame.stamp_ns, None)
            if index is None:
                continue
            if frame.image_rgb is None:
                self.problems.append(f"the image at {self._name(frame.stamp_ns)} can't be read: {frame.problem}")
                continue
            truth = replace(self._truth.at(frame.stamp_ns), intrinsics=frame.intrinsics)
            yield index, (frame.image_rgb, frame.intrinsics, truth)

    def _name(self, stamp: int) -> str:
        return f"{(stamp - self._labelled[0]) * 1e-9:.1f} s"


def _spread(count: int, limit: int | None) -> np.ndarray:
    return np.arange(count) if limit is None or limit >= count else np.linspace(0, count - 1, limit).round().astype(int)
