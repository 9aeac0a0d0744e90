# SPDX-License-Identifier: Apache-2.0
"""How far a run is, by steps or by the clock, and what follows from it: learning rate and stage."""

from __future__ import annotations

import math
import time
from typing import Any

from mtl_perception.training.config import TrainingConfig

LEAST_RATE = 0.01
"""The learning rate at the end, as a share of the highest."""


class Schedule:
    """Counts steps, samples and time spent training; the clock stands still from ``pause`` to ``go_on``.

    Attributes:
        step: optimiser steps done.
        samples: images that went through them.
        share: how much of the schedule is over, as last measured; all processes use the first one's.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self.step = 0
        self.samples = 0
        self.share = 0.0
        self._spent_s = 0.0
        self._since_s: float | None = None

    def go_on(self) -> None:
        if self._since_s is None:
            self._since_s = time.monotonic()

    def pause(self) -> None:
        self._spent_s = self.spent_s
        self._since_s = None

    @property
    def spent_s(self) -> float:
        """Time spent training, earlier parts of an interrupted run included."""
        return self._spent_s + (0.0 if self._since_s is None else time.monotonic() - self._since_s)

    def measure(self) -> float:
        """The share of the schedule that is over by now."""
        if self._config.steps is not None:
            return min(1.0, self.step / self._config.steps)
        assert self._config.minutes is not None
        return min(1.0, self.spent_s / (self._config.minutes * 60))

    @property
    def learning_rate(self) -> float:
        """Linear warm-up by steps, then half a cosine (Loshchilov and Hutter, SGDR, ICLR 2017)."""
        warm = min(1.0, (self.step + 1) / (self._config.warmup_steps + 1))
        cosine = 0.5 * (1 + math.cos(math.pi * self.share))
        return self._config.learning_rate * warm * (LEAST_RATE + (1 - LEAST_RATE) * cosine)

    def stage_at(self, step: int) -> int | None:
        """Number of the stage that a coming step belongs to, None past the end; by the clock, the present stage."""
        share = self.share if self._config.steps is None else step / self._config.steps
        return next((number for number, stage in enumerate(self._config.stages) if share < stage.until), None)

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "samples": self.samples, "spent_s": self.spent_s, "share": self.share}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self.samples = state["step"], state["samples"]
        self._spent_s, self.share = state["spent_s"], state["share"]
