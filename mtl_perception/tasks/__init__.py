# SPDX-License-Identifier: Apache-2.0
"""Tasks: one module each, behind a registry."""

from mtl_perception.tasks._base import DecodeOptions, LossTerm, Task
from mtl_perception.tasks._registry import TASKS, build_task

__all__ = ["TASKS", "DecodeOptions", "LossTerm", "Task", "build_task"]
