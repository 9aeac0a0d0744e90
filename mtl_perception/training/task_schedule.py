# SPDX-License-Identifier: Apache-2.0
"""Which tasks are trained when, and how much."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from mtl_perception.core.settings_by_name import by_name


class _Schedule(BaseModel, ABC):
    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    needs_validation: ClassVar[bool] = False
    """Whether it follows validation scores."""
    one_at_a_time: ClassVar[bool] = False
    """Whether no step trains more than one task."""

    def check(self, tasks: Collection[str], is_validated: bool) -> None:
        """Raises:
        ValueError: this schedule can't be used for these tasks.
        """

    def remarks(self, tasks: Collection[str], steps: int, validated_every: int | None) -> list[str]:
        """Returns what a user should know before a run of so many ``steps``: where the schedule can't act.

        Args:
            validated_every: so many steps; None where there is no validation, or it goes by the clock.
        """
        return []

    @abstractmethod
    def factors(self, tasks: Sequence[str], step: int, share: float, scores: Mapping[str, float]) -> dict[str, float]:
        """By task, what its loss is multiplied by; 0 leaves it out of the step.

        Args:
            step: optimiser steps done.
            share: of the run that is over.
            scores: of the last validation, by task, 0 to 1; empty before the first.
        """


class AllTasks(_Schedule):
    """All tasks in every step."""

    method: Literal["all"] = "all"

    def factors(self, tasks: Sequence[str], step: int, share: float, scores: Mapping[str, float]) -> dict[str, float]:
        return dict.fromkeys(tasks, 1.0)


class RoundRobin(_Schedule):
    """One task after the other, ``steps`` steps each."""

    one_at_a_time: ClassVar[bool] = True
    method: Literal["round_robin"]
    steps: int = Field(1, gt=0)

    def remarks(self, tasks: Collection[str], steps: int, validated_every: int | None) -> list[str]:
        never = list(tasks)[math.ceil(steps / self.steps) :]
        if not never:
            return []
        return [
            f"task_schedule: {', '.join(never)} {'is' if len(never) == 1 else 'are'} never trained: 'round_robin' takes {self.steps} steps "
            f"a turn, the run has {steps}; lower its 'steps'"
        ]

    def factors(self, tasks: Sequence[str], step: int, share: float, scores: Mapping[str, float]) -> dict[str, float]:
        turn = step // self.steps % len(tasks)
        return {task: float(i == turn) for i, task in enumerate(tasks)}


class EasiestFirst(_Schedule):
    """The tasks begin in ``order``, one every ``apart`` of the run, and rise to their full weight over ``ramp`` of it.

    A curriculum over tasks (Bengio et al., Curriculum Learning, ICML 2009).
    """

    method: Literal["easiest_first"]
    order: list[str]
    apart: float = Field(0.1, ge=0, lt=1)
    ramp: float = Field(0.1, ge=0, lt=1)

    def check(self, tasks: Collection[str], is_validated: bool) -> None:
        if sorted(self.order) != sorted(tasks):
            raise ValueError(f"order is {', '.join(self.order)}, expected each of the tasks once: {', '.join(tasks)}")
        last = self.apart * (len(self.order) - 1)
        if last >= 1:
            raise ValueError(f"apart is {self.apart}: '{self.order[-1]}' would begin at {last:.2f} of the run, expected less than 1")

    def factors(self, tasks: Sequence[str], step: int, share: float, scores: Mapping[str, float]) -> dict[str, float]:
        return {task: self._factor(share - self.apart * self.order.index(task), is_first=task == self.order[0]) for task in tasks}

    def _factor(self, since: float, is_first: bool) -> float:
        if is_first:
            return 1.0
        if since < 0:
            return 0.0
        return min(1.0, since / self.ramp) if self.ramp else 1.0


class PerformanceGap(_Schedule):
    """Trains the task that is furthest from its goal most, by the focal weight −(1 − κ)^γ log κ of Guo et al. (Dynamic Task
    Prioritization, ECCV 2018) with κ = score / goal, scaled to a mean of 1. All alike before the first validation.

    Attributes:
        goals: by task, the validation score to reach, such as that of a network of its own. Without any, κ is the score itself, as in the
            paper: difficulty as it is measured, with nothing set by hand.
        least: no task gets less than this.
    """

    needs_validation: ClassVar[bool] = True
    method: Literal["performance_gap"]
    goals: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    gamma: float = Field(1.0, ge=0)
    least: float = Field(0.2, gt=0, le=1)

    def check(self, tasks: Collection[str], is_validated: bool) -> None:
        if self.goals and sorted(self.goals) != sorted(tasks):
            raise ValueError(f"goals are given for {', '.join(self.goals)}, expected one for each task: {', '.join(tasks)}")
        if not is_validated:
            raise ValueError("task_schedule 'performance_gap' follows validation scores; give a section 'validation'")

    def remarks(self, tasks: Collection[str], steps: int, validated_every: int | None) -> list[str]:
        if validated_every is None or validated_every < steps:
            return []
        return [
            f"task_schedule: 'performance_gap' never acts in this run: the first validation comes after {validated_every} steps, the run "
            f"has {steps}; lower 'every_steps'"
        ]

    def factors(self, tasks: Sequence[str], step: int, share: float, scores: Mapping[str, float]) -> dict[str, float]:
        if not scores:
            return dict.fromkeys(tasks, 1.0)
        reached = {task: min(0.999, max(0.001, scores.get(task, 0.0) / self.goals.get(task, 1.0))) for task in tasks}
        focal = {task: -((1 - value) ** self.gamma) * math.log(value) for task, value in reached.items()}
        mean = sum(focal.values()) / len(focal)
        return {task: max(self.least, value / mean) for task, value in focal.items()}


_METHODS = {"all": AllTasks, "round_robin": RoundRobin, "easiest_first": EasiestFirst, "performance_gap": PerformanceGap}


TaskSchedule = Annotated[
    AllTasks | RoundRobin | EasiestFirst | PerformanceGap, Field(discriminator="method"), by_name("task_schedule", _METHODS)
]
"""Type of a configuration's section ``task_schedule``: a method's name, or a mapping with ``method`` and its settings."""
