# SPDX-License-Identifier: Apache-2.0
"""The registry of tasks. A new one is a folder, and its name here.

Labels and metrics need no torch; the tasks themselves do, and are registered in ``_build.py``.
"""

from __future__ import annotations

from importlib import import_module

from mtl_perception.tasks._labels import LabelCodec
from mtl_perception.tasks._metric import Metric

NAMES = (
    "detection",
    "segmentation",
    "depth",
    "classification",
    "lanes",
    "normals",
    "instances",
)
"""The kinds of tasks."""

LABELS: dict[str, LabelCodec] = {name: import_module(f"{__package__}.{name}.labels").CODEC for name in NAMES}
"""Kind of label → its codec."""

METRICS: dict[str, type[Metric]] = {name: import_module(f"{__package__}.{name}.metric").METRIC for name in NAMES}
"""Task → its metric."""

BOXED = next(kind for kind, codec in LABELS.items() if codec.place == "annotations")
"""The kind whose labels are the boxes in annotations.json."""

NAMED = next(kind for kind, codec in LABELS.items() if codec.place == "classes")
"""The kind whose labels are the class names under ``classes`` in annotations.json."""
