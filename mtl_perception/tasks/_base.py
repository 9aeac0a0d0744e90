# SPDX-License-Identifier: Apache-2.0
"""The interface of every task: its head, its targets, its loss, its decoding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from torch import Tensor, nn

from mtl_perception.core.geometry import View
from mtl_perception.core.scene import SCORE_THRESHOLD, Scene
from mtl_perception.core.validation_text import shown
from mtl_perception.tasks._labels import LabelCodec
from mtl_perception.tasks._metric import Metric
from mtl_perception.tasks._panel import Panels
from mtl_perception.tasks._sample import Sample
from mtl_perception.tasks._truth import Truth

if TYPE_CHECKING:
    from mtl_perception.tasks._likeness import Lesson


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError(f"class {shown(name)} has characters that can't be printed")
    return name


def _different(names: list[str]) -> list[str]:
    name, count = max(Counter(names).items(), key=lambda item: item[1])
    if count > 1:
        raise ValueError(f"class {shown(name)} is listed twice")
    return names


ClassName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Labels = Annotated[list[ClassName], Field(min_length=1, max_length=30_000), AfterValidator(_different)]
"""Names of classes in the order of their ids."""


HeadStyle = Literal["wide", "slim", "yolox"]
"""``wide`` heads are of full convolutions; ``slim`` ones of separable ones, over a P2 that a stem has smoothed."""


class TaskSettings(BaseModel):
    """Settings that a checkpoint stores to build a task again."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LossTerm(NamedTuple):
    """A loss as a sum and what it is divided by.

    Kept apart so that under partial labels and several processes both can be summed before they are divided.

    Attributes:
        balanced: whether methods that weigh tasks by their loss look at this term; not at a likelihood, which may be
            negative. It is trained either way.
        least_count: what the sum over everything is divided by at least.
    """

    total: Tensor
    count: Tensor
    weight: float = 1.0
    balanced: bool = True
    least_count: float = 0.0


class CollectOptions(NamedTuple):
    """Options that may change while the network runs."""

    score_threshold: float = SCORE_THRESHOLD


SettingsT = TypeVar("SettingsT", bound=TaskSettings)


class Task(ABC, Generic[SettingsT]):
    """One kind of answer that the network gives of an image. Imports no other task.

    Attributes:
        kind: name in the registry, and key of its labels in ``Sample.labels``.
        scene_field: field of ``Scene`` that ``collect`` makes; empty: it stands in ``Scene.answers``.
        codec: reads, writes and changes its labels.
        metric: scores its answers.
    """

    kind: ClassVar[str]
    scene_field: ClassVar[str] = ""
    Settings: ClassVar[type[TaskSettings]]
    codec: ClassVar[LabelCodec]
    metric: ClassVar[type[Metric]]
    panels: ClassVar[Callable[[np.ndarray, Scene, Truth, Any], Panels] | None] = None
    """From the image, (H, W, 3) uint8 RGB, what was found, what is true, and the model's card: pictures for a report."""
    usual_weight: ClassVar[float] = 1.0
    """In the loss, where nobody says otherwise; as the shipped models were trained."""
    class_layers: ClassVar[tuple[str, ...]] = ()
    """Layers of the head whose parameters have a row for each of ``labels``, in their order."""

    def __init__(self, settings: SettingsT) -> None:
        self.settings = settings

    @property
    def labels(self) -> list[str]:
        """Class names in the order of their ids; empty for a task without classes."""
        return list(getattr(self.settings, "labels", []))

    @classmethod
    def balancing_settings(cls, samples: Iterable[Sample], classes: int) -> dict[str, Any]:
        """Settings that make up for rare classes among ``samples``; none where the task knows no such."""
        return {}

    def likeness(self, lesson: Lesson) -> dict[str, LossTerm]:
        """How far the head is from a teacher's, where no label speaks; by default number by number."""
        from mtl_perception.tasks._likeness import likeness_of_numbers

        return likeness_of_numbers(lesson)

    def agrees_with(self, other: Task) -> bool:
        """Whether what a head learned for ``other`` means the same here, each class by its name."""
        return self.kind == other.kind

    @abstractmethod
    def build_head(self, channels: int, style: HeadStyle = "wide") -> nn.Module:
        """A head whose forward takes {"p2" … "p5"} of ``channels`` each and returns named raw tensors."""

    def take_published(self, head: nn.Module, stored: Mapping[str, Tensor]) -> list[str]:
        """Put into ``head`` what fits it of a published network whose encoder the trunk begins with.

        Returns:
            The classes that the head knows by that; none where nothing fits.
        """
        return []

    def is_labelled(self, sample: Sample) -> bool:
        """Whether ``sample`` teaches this task anything: labels of which every value is unknown count as none."""
        return self.kind in sample.labels and self.codec.teaches(sample.labels[self.kind])

    def raw_of_image(self, raw: Mapping[str, Tensor], i: int) -> dict[str, Tensor]:
        """Image ``i`` of what the head returned, as the head would return it of this image alone."""
        return {name: value[i : i + 1] for name, value in raw.items()}

    @abstractmethod
    def targets(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """Label tensors of a batch, the first dimension as long as ``samples``; unlabelled samples are filled with
        what ``loss`` ignores."""

    @abstractmethod
    def loss(self, raw: dict[str, Tensor], targets: dict[str, Tensor], labelled: Tensor, focal_px: Tensor) -> dict[str, LossTerm]:
        """Named loss terms, in float32.

        Args:
            raw: what the head returned.
            targets: what ``targets`` returned.
            labelled: (B,) bool; a sample that is False contributes to no sum and no count.
            focal_px: (B,) focal length in pixels of the network's input.
        """

    def class_maps(
        self,
        head: nn.Module,
        features: dict[str, Tensor],
        raw: dict[str, Tensor],
        targets: dict[str, Tensor],
        labelled: Tensor,
        columns: Sequence[int],
        sure: float,
    ) -> Tensor:
        """(B, len(columns), h, w) of 0 to 1: how far ``head`` looks there for each of these classes, the most anywhere being 1.

        0 where a class is not there, its probability is below ``sure``, or the sample is not ``labelled`` (B,).
        """
        raise NotImplementedError(f"{self.kind} gives no maps of classes")

    def loss_by_class_maps(self, raw: dict[str, Tensor], maps: Tensor, ids: Sequence[int], strong: float) -> LossTerm:
        """The loss where a map (B, len(ids), h, w) of the classes ``ids`` is at least ``strong``."""
        raise NotImplementedError(f"{self.kind} does not learn from maps of classes")

    @abstractmethod
    def decode(self, raw: dict[str, Tensor], view: View, focal_px: Tensor) -> dict[str, Tensor]:
        """Decodes the head's output of a batch, in pixels of the original image and metres.

        Part of the graph that is exported: no shape and no branch depends on a value.

        Args:
            raw: what the head returned.
            view: how each original image lies in the network's input.
            focal_px: (B,) focal length in pixels of the original image, 0 where the camera is not known.

        Returns:
            Named tensors, the first dimension of each B; they are named alike in exported files.
        """

    @abstractmethod
    def collect(self, decoded: dict[str, np.ndarray], options: CollectOptions) -> Any:
        """Returns the answer that ``Scene`` holds of one image, from what ``decode`` returned for it (without the first dimension)."""
