# SPDX-License-Identifier: Apache-2.0
"""Tasks: one module each, behind a registry."""

from mtl_perception.tasks._base import CollectOptions, HeadStyle, LossTerm, Task
from mtl_perception.tasks._registry import TASKS, build_task

__all__ = ["TASKS", "CollectOptions", "HeadStyle", "LossTerm", "Task", "build_task"]
