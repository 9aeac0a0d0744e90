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
    from mtl_perception.tasks._distillation import DistillationBatch


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
"""``wide``: full convolutions. ``slim``: separable convolutions over a P2 with a stem that all dense heads share. ``yolox``: as in YOLOX."""


class TaskSettings(BaseModel):
    """Settings that a checkpoint stores to build a task again."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LossTerm(NamedTuple):
    """A loss as a sum and a count.

    They are kept apart so that, with partial labels and several processes, both can be summed before the division.

    Attributes:
        total, count: scalars; the loss is their quotient.
        weight: factor of this term in the task's loss.
        balanced: whether methods that weigh tasks by their losses use this term. A likelihood, which may be negative, is left out
            of the weighing and trained all the same.
        least_count: lower bound of the count over all processes.
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
    """One kind of output, such as detections: its head, targets, loss and decoding. Imports no other task.

    Attributes:
        kind: name in the registry, and key of its labels in ``Sample.labels``.
        scene_field: field of ``Scene`` for what ``collect`` returns; empty: ``Scene.answers``.
        codec: reads, writes and augments its labels.
        metric: scores its outputs.
    """

    kind: ClassVar[str]
    scene_field: ClassVar[str] = ""
    Settings: ClassVar[type[TaskSettings]]
    codec: ClassVar[LabelCodec]
    metric: ClassVar[type[Metric]]
    panels: ClassVar[Callable[[np.ndarray, Scene, Truth, Any], Panels] | None] = None
    """Image (H, W, 3) uint8 RGB, prediction, ground truth and the model's card → pictures for a report."""
    default_weight: ClassVar[float] = 1.0
    """Weight in the loss unless a configuration sets one; that of the shipped models."""
    class_layers: ClassVar[tuple[str, ...]] = ()
    """Layers of the head whose parameters have a row for each of ``labels``, in their order."""
    can_branch: ClassVar[bool] = False
    """Whether ``build_branched_head`` makes a head."""

    def __init__(self, settings: SettingsT) -> None:
        self.settings = settings

    @property
    def labels(self) -> list[str]:
        """Class names in the order of their ids; empty for a task without classes."""
        return list(getattr(self.settings, "labels", []))

    @classmethod
    def balancing_settings(cls, samples: Iterable[Sample], classes: int) -> dict[str, Any]:
        """Settings that compensate for rare classes in ``samples``, such as class weights; empty if the task has none."""
        return {}

    def distillation_loss(self, batch: DistillationBatch) -> dict[str, LossTerm]:
        """Loss terms for the distance from a teacher's answers, where nothing is labelled; by default of all raw tensors."""
        from mtl_perception.tasks._distillation import numeric_distillation_loss

        return numeric_distillation_loss(batch)

    def agrees_with(self, other: Task) -> bool:
        """Whether weights of a head for ``other`` can be used here, with classes matched by name."""
        return self.kind == other.kind

    @abstractmethod
    def build_head(self, channels: int, style: HeadStyle = "wide") -> nn.Module:
        """A head whose forward takes {"p2" … "p5"} of ``channels`` each and returns named raw tensors."""

    def build_branched_head(self, channels: int, style: HeadStyle, own: int, prefix: str) -> nn.Module:
        """A head, made of ``kept`` and ``own``, whose last ``own`` classes are found in levels of their own (model/branched.py).

        Args:
            prefix: before the names of these levels.

        Raises:
            ValueError: the task has no such head.
        """
        raise ValueError(f"{self.kind} can't have a branch")

    def load_pretrained(self, head: nn.Module, stored: Mapping[str, Tensor]) -> list[str]:
        """Load into ``head`` the fitting weights of the published network that the encoder's weights come from.

        Args:
            stored: all tensors of that network, by its own names.

        Returns:
            The classes that the head then detects; empty if nothing fits.
        """
        return []

    def is_labelled(self, sample: Sample) -> bool:
        """Whether ``sample`` has labels for this task; labels without a known value count as none."""
        return self.kind in sample.labels and self.codec.teaches(sample.labels[self.kind])

    def raw_of_image(self, raw: Mapping[str, Tensor], i: int) -> dict[str, Tensor]:
        """The head's raw tensors for image ``i`` alone."""
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
        """Class activation maps, (B, len(columns), h, w), scaled to a maximum of 1.

        0 where a class is absent or its probability is below ``sure``, and for samples that are not ``labelled`` (B,).

        Args:
            columns: indices of the classes.
        """
        raise NotImplementedError(f"{self.kind} has no class activation maps")

    def loss_by_class_maps(self, raw: dict[str, Tensor], maps: Tensor, ids: Sequence[int], strong: float) -> LossTerm:
        """The loss in the pixels where class activation maps (B, len(ids), h, w) of the classes ``ids`` reach ``strong``."""
        raise NotImplementedError(f"{self.kind} has no loss for class activation maps")

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
