# SPDX-License-Identifier: Apache-2.0
"""Topics of the tasks that no other topic is made of: each from the module of this folder that has the task's name.

Such a module has ``topics(publish, labels)``, and ``TOPICS`` for the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import NamedTuple

from rclpy.lifecycle import LifecyclePublisher

from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import Writer
from mtl_perception.tasks import NAMES

Publish = Callable[[Topic], LifecyclePublisher]
"""Makes the publisher of a topic."""

Labels = Callable[[str], Sequence[str]]
"""The model's classes of a task."""


class Topics(NamedTuple):
    """Topics of one task.

    Attributes:
        writers: one for each topic.
        label_infos: topic of ``vision_msgs/LabelInfo`` → value of a pixel → name of the class.
    """

    writers: list[Writer]
    label_infos: Mapping[Topic, Mapping[int, str]] = {}


def further_topics(kind: str, publish: Publish, labels: Labels) -> Topics:
    """The topics of the task ``kind``, by ``topics(publish, labels)`` of its module; none where there is no such module."""
    module = _module(kind)
    return Topics([]) if module is None else module.topics(publish, labels)


def described() -> list[Topic]:
    """The topics of every task that has a module here."""
    return [topic for kind in NAMES if (module := _module(kind)) is not None for topic in module.TOPICS]


def _module(kind: str) -> ModuleType | None:
    name = f"{__package__}.{kind}"
    return None if find_spec(name) is None else import_module(name)
