# SPDX-License-Identifier: Apache-2.0
"""A node whose callbacks let no exception out: rclpy's executors end with the first, and the node with them.

That covers what rclpy itself answers: a ``set_parameters`` request with a type that there is none of, or a ``/clock`` before 1970,
raises in rclpy's own callbacks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from typing import Any

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.node import Node
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from mtl_perception.core.foreign_text import cut

_LOG_EVERY_S = 5.0
_SHOWN_FOR_S = 5.0
_LONGEST = 1000


@dataclass
class _Problem:
    text: str
    count: int
    last_s: float


class Problems:
    """Recent errors: one line for each place, however often. Any thread may note."""

    def __init__(self, get_logger: Callable[[], RcutilsLogger]) -> None:
        self._get_logger = get_logger
        self._problems: dict[str, _Problem] = {}

    def note(self, where: str, error: Exception) -> None:
        """``where`` is a topic, a service or a part of the node. A ValueError speaks for itself: it is bad input."""
        text = cut(error, _LONGEST) if isinstance(error, ValueError) else cut(f"{type(error).__name__}: {error}", _LONGEST)
        before = self._problems.get(where)
        self._problems[where] = _Problem(text, before.count + 1 if before else 1, time.monotonic())
        self._get_logger().warning(f"{where}: {text}", throttle_duration_sec=_LOG_EVERY_S)

    def at(self, where: str) -> str:
        """Returns the errors there of the last seconds; empty without any."""
        problem = self._problems.get(where)
        if problem is None or time.monotonic() - problem.last_s > _SHOWN_FOR_S:
            return ""
        return f"{problem.text} ({problem.count} so far)"

    def elsewhere(self, besides: Collection[str]) -> dict[str, str]:
        """The same for every other place."""
        return {where: text for where in list(self._problems) if where not in besides and (text := self.at(where))}


class GuardedNode(Node):
    """Mix it in before another node class. ``guard_services`` is to be called once all services are there.

    Attributes:
        problems: what the callbacks raised.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.problems = Problems(self.get_logger)
        super().__init__(*args, **options)

    def create_subscription(self, msg_type: type, topic: str, callback: Callable, *args: Any, **options: Any) -> Subscription:
        subscription = super().create_subscription(msg_type, topic, callback, *args, **options)
        subscription.callback = self._guarded(callback, subscription.topic_name)
        return subscription

    def create_timer(self, timer_period_sec: float, callback: Callable, *args: Any, **options: Any) -> Timer:
        name = getattr(callback, "__qualname__", "timer")
        return super().create_timer(timer_period_sec, self._guarded(callback, name), *args, **options)

    def guard_services(self) -> None:
        """Also those of rclpy: parameters, life cycle, type descriptions. A request that fails gets an empty answer."""
        for service in self.services:
            service.callback = self._guarded(service.callback, service.srv_name)

    def _guarded(self, callback: Callable, where: str) -> Callable:
        @wraps(callback)
        def guarded(*arguments: Any) -> Any:
            try:
                return callback(*arguments)
            except Exception as error:
                self.problems.note(where, error)
                return arguments[-1] if arguments else None  # of a service the response

        return guarded
