# SPDX-License-Identifier: Apache-2.0
"""The tasks this package knows. A new task is one new module and one line here."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from mtl_perception.core.validation_text import did_you_mean, problems, shown
from mtl_perception.tasks._base import Task
from mtl_perception.tasks.classification import ClassificationTask
from mtl_perception.tasks.depth import DepthTask
from mtl_perception.tasks.detection import DetectionTask
from mtl_perception.tasks.lanes import LanesTask
from mtl_perception.tasks.segmentation import SegmentationTask

TASKS: dict[str, type[Task]] = {task.kind: task for task in (DetectionTask, SegmentationTask, DepthTask, ClassificationTask, LanesTask)}


def build_task(kind: str, settings: dict[str, Any]) -> Task:
    """A task from its kind and its settings as they stand in a checkpoint's card or a training configuration.

    Raises:
        ValueError: the kind is not known, or a setting is.
    """
    if kind not in TASKS:
        raise ValueError(
            f"task kind {shown(kind)} is not known to this version; expected one of: {', '.join(TASKS)}{did_you_mean(kind, TASKS)}"
        )
    try:
        return TASKS[kind](TASKS[kind].Settings.model_validate(settings))
    except ValidationError as error:
        raise ValueError(f"settings of task '{kind}' are not valid: {problems(error, TASKS[kind].Settings, kind)}") from None
