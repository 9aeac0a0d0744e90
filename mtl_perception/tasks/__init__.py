# SPDX-License-Identifier: Apache-2.0
"""Tasks: one folder each, and a registry. A folder has everything about its task, from label files to scores."""

from typing import TYPE_CHECKING, Any

from mtl_perception.tasks._labels import (
    BoxesCodec,
    ClassesCodec,
    LabelCodec,
    LabelError,
    MadeCodec,
    MapCodec,
    MasksCodec,
    Tile,
    Window,
    known_among,
    padded_map,
    tiled_map,
    truth_fields,
)
from mtl_perception.tasks._metric import Direction, Metric
from mtl_perception.tasks._registry import BOXED, LABELS, METRICS, NAMED, NAMES
from mtl_perception.tasks._sample import Sample
from mtl_perception.tasks._truth import Truth

if TYPE_CHECKING:
    from mtl_perception.tasks._base import CollectOptions, HeadStyle, LossTerm, Task
    from mtl_perception.tasks._build import TASKS, build_task

__all__ = [
    "BOXED",
    "LABELS",
    "METRICS",
    "NAMED",
    "NAMES",
    "TASKS",
    "BoxesCodec",
    "ClassesCodec",
    "CollectOptions",
    "Direction",
    "HeadStyle",
    "LabelCodec",
    "LabelError",
    "LossTerm",
    "MadeCodec",
    "MapCodec",
    "MasksCodec",
    "Metric",
    "Sample",
    "Task",
    "Tile",
    "Truth",
    "Window",
    "build_task",
    "known_among",
    "padded_map",
    "tiled_map",
    "truth_fields",
]


def __getattr__(name: str) -> Any:
    """Imports names that need torch on first use: data and evaluation do without."""
    if name in ("CollectOptions", "HeadStyle", "LossTerm", "Task"):
        from mtl_perception.tasks import _base

        return getattr(_base, name)
    if name in ("TASKS", "build_task"):
        from mtl_perception.tasks import _build

        return getattr(_build, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
