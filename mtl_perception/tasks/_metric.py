# SPDX-License-Identifier: Apache-2.0
"""The interface of metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

from mtl_perception.core.scene import Scene
from mtl_perception.tasks._truth import Truth

Direction = Literal["higher", "lower"]


class TitledChart(NamedTuple):
    """An SVG chart for a report, with a title and a note that explains it."""

    title: str
    note: str
    picture: str


def answer_and_label(task: str, scene: Scene, truth: Truth) -> tuple | None:
    """``Metric.pair`` for tasks whose predictions are in ``Scene.answers``."""
    found, true = scene.answers.get(task), truth.labels.get(task)
    return None if found is None or true is None else (found, true)


class Metric(ABC):
    """The measures of one task over a data set, collected frame by frame in the order of the data.

    Attributes:
        task: key of its scores.
        directions: measure → whether higher or lower is better, in the order of tables.
        names: measure → its name in tables; by default its key.
        main: the measure that represents the task, as in Δm.
        chosen_by: the measure, from 0 to 1, higher is better, by which the best checkpoint is chosen; empty: ``main``.
        headline: measures with targets → their names at the top of a report.
        rank: the measure, of those that ``update`` returns, by which frames are ranked; None: frames are not ranked.
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
        """A new metric for the classes of a model's card."""

    @staticmethod
    @abstractmethod
    def pair(scene: Scene, truth: Truth) -> tuple | None:
        """The arguments of ``update`` for one frame; None if prediction or ground truth is missing."""

    @abstractmethod
    def update(self, *arrays: Any) -> dict[str, float]:
        """Add one frame. Returns the measures of this frame alone, as far as they are defined for it."""

    @abstractmethod
    def compute(self) -> dict[str, Any]:
        """Measure → value for all ``directions``, NaN if undefined.

        Further keys may hold counts, and tables as {row: {column: value}}, such as ``per_class``.
        """

    def charts(self) -> list[TitledChart]:
        """Charts for a report; none by default."""
        return []
