# SPDX-License-Identifier: Apache-2.0
"""The interface of every task's measures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

from mtl_perception.core.scene import Scene
from mtl_perception.tasks._truth import Truth

Direction = Literal["higher", "lower"]


class TitledChart(NamedTuple):
    """A picture of the report, as SVG, with its title and what to see in it."""

    title: str
    note: str
    picture: str


def answer_and_label(task: str, scene: Scene, truth: Truth) -> tuple | None:
    """``Metric.pair`` of a task whose answer and label have one form."""
    found, true = scene.answers.get(task), truth.labels.get(task)
    return None if found is None or true is None else (found, true)


class Metric(ABC):
    """The measures of one task over a data set, collected frame by frame in the order of the data.

    Attributes:
        task: key of its scores.
        directions: measure → which is better, in the order in which tables show them.
        names: measure → what people read in a table; one that is missing is shown by its key.
        main: the one measure that stands for the task, as in Δm.
        chosen_by: the measure by which a checkpoint is chosen, from 0 to 1, higher is better; empty: ``main``.
        headline: measures that have targets, and what they are called at the head of a report.
        rank: the measure of ``update``'s answer by which frames are put in order; None: no single frame has one.
    """

    task: ClassVar[str]
    directions: ClassVar[dict[str, Direction]]
    names: ClassVar[dict[str, str]] = {}
    headline: ClassVar[dict[str, str]] = {}
    main: ClassVar[str]
    chosen_by: ClassVar[str] = ""
    rank: ClassVar[str | None] = None

    @classmethod
    @abstractmethod
    def for_model(cls, card: Any) -> Metric:
        """An empty one, for the labels of a model's card."""

    @staticmethod
    @abstractmethod
    def pair(scene: Scene, truth: Truth) -> tuple | None:
        """The arguments of ``update`` for one frame; None where the result or the truth lacks this task."""

    @abstractmethod
    def update(self, *arrays: Any) -> dict[str, float]:
        """Add one frame; answers what the frame scores by itself, leaving out what it says nothing of."""

    @abstractmethod
    def compute(self) -> dict[str, Any]:
        """Measure → value for everything in ``directions``, NaN where there is nothing to say.

        Further keys may hold counts, and tables as {row: {column: value}}, such as ``per_class``.
        """

    def charts(self) -> list[TitledChart]:
        """Charts of what was collected, for a report; by default it is told in tables alone."""
        return []
