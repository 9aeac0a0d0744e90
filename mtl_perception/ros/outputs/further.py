# SPDX-License-Identifier: Apache-2.0
"""Topics of the tasks that no other topic is made of: each from the module of this folder that has the task's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple, Protocol

from rclpy.lifecycle import LifecyclePublisher

from mtl_perception.ros.outputs.writer import Writer


class Publish(Protocol):
    """Makes a publisher of ``topic``, which is below the camera's topics."""

    def __call__(self, message_type: type, topic: str) -> LifecyclePublisher: ...


class Topics(NamedTuple):
    """Topics of one task.

    Attributes:
        writers: one for each topic.
        label_infos: topic of ``vision_msgs/LabelInfo`` → value of a pixel → name of the class.
    """

    writers: list[Writer]
    label_infos: Mapping[str, Mapping[int, str]] = {}


def further_topics(kind: str, publish: Publish, labels: Sequence[str]) -> Topics:
    """The topics of the task ``kind``, by ``topics(publish, labels)`` of its module; none where there is no such module.

    Args:
        labels: the model's classes of this task.
    """
    module = f"{__package__}.{kind}"
    if find_spec(module) is None:
        return Topics([])
    topics: Callable[[Publish, Sequence[str]], Topics] = import_module(module).topics
    return topics(publish, labels)
