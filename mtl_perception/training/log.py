# SPDX-License-Identifier: Apache-2.0
"""Progress of a run: one line that moves in a terminal, plain lines in a file, curves in TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from mtl_perception.training.config import Stage, TrainingConfig
from mtl_perception.training.errors import TrainingError
from mtl_perception.training.schedule import Schedule
from mtl_perception.training.validation import Validation
from mtl_perception.training.watch import LossWatch


class TrainingLog:
    """The voice of a run. Use it as a context manager.

    Args:
        events: TensorBoard's writer, if there is one.
    """

    def __init__(self, config: TrainingConfig, schedule: Schedule, console: Console, events: Any) -> None:
        self._config, self._schedule, self._console = config, schedule, console
        self._events = events
        self._progress: Progress | None = None
        if console.is_terminal:
            columns = (TextColumn("{task.percentage:5.1f} %"), BarColumn(20), TextColumn("{task.description}"))
            self._progress = Progress(*columns, console=console, refresh_per_second=2)
            self._bar = self._progress.add_task("starting", total=1.0)
        self._start = self._mark()
        self._last = self._start

    def __enter__(self) -> TrainingLog:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._progress is not None:
            self._progress.stop()
        if self._events is not None:
            with suppress(OSError):
                self._events.close()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def step(self, stage: Stage, losses: Mapping[str, float], weights: Mapping[str, float]) -> None:
        """The mean losses since the last call, and the tasks' weights."""
        now = self._mark()
        seconds = max(1e-9, now[1] - self._last[1])
        rate = (now[0] - self._last[0]) / seconds
        self._last = now
        schedule = self._schedule
        line = (
            f"step {schedule.step}  {stage.width}x{stage.height}  {_short(losses)}{_weighed(weights)}  lr {schedule.learning_rate:.1e}  "
            f"{rate:.1f} images/s  left {self._left()}"
        )
        if self._progress is not None:
            self._progress.update(self._bar, completed=schedule.measure(), description=line)
        else:
            self.say(f"{100 * schedule.measure():5.1f} %  {line}")
        curves = {(name if name == LossWatch.GRADIENT else f"loss/{name}"): value for name, value in losses.items()}
        curves |= {f"weight/{task}": weight for task, weight in weights.items()}
        curves |= {"learning_rate": schedule.learning_rate, "images_per_s": rate, "samples": schedule.samples}
        self._record(curves)

    def validation(self, found: Validation, is_best: bool) -> None:
        """Logs the scores of a validation."""
        self.say(f"step {self._schedule.step}: validation {found.text}{', the best so far' if is_best else ''}")
        curves = {f"validation_{task}/{name}": value for task, values in found.measures.items() for name, value in values.items()}
        self._record({"validation/score": found.score, **curves}, {f"validation/{i}": picture for i, picture in enumerate(found.pictures)})

    def _record(self, curves: Mapping[str, float], pictures: Mapping[str, np.ndarray] | None = None) -> None:
        if self._events is None:
            return
        step = self._schedule.step
        try:
            for name, value in curves.items():
                self._events.add_scalar(name, value, step)
            for name, picture in (pictures or {}).items():
                self._events.add_image(name, picture, step, dataformats="HWC")
            self._events.flush()
        except OSError as error:
            # Its writer does not recover, and curves are no reason to end a run.
            self.say(f"no more curves are written to {self._events.log_dir}: {error}")
            self._events = None

    def _mark(self) -> tuple[int, float, float]:
        return self._schedule.samples, self._schedule.spent_s, self._schedule.measure()

    def _left(self) -> str:
        _, spent_s, share = self._mark()
        done = share - self._start[2]
        if done <= 0:
            return "–"
        return str(timedelta(seconds=round((spent_s - self._start[1]) / done * (1 - share))))


def _short(losses: Mapping[str, float]) -> str:
    words = []
    for name, value in losses.items():
        task, _, term = name.partition("/")
        words.append(f"{task[:3]}/{term} {value:.3f}" if term else f"{name} {value:.2f}")
    return "  ".join(words)


def _weighed(weights: Mapping[str, float]) -> str:
    """Nothing where every task counts as it is."""
    if all(abs(weight - 1) < 1e-6 for weight in weights.values()):
        return ""
    return "  weights " + " ".join(f"{task[:3]} {weight:.3g}" for task, weight in weights.items())


def event_writer(wanted: bool | None, console: Console) -> Callable[..., Any] | None:
    """The class that writes event files; None where it is not wanted, or not installed and not asked for.

    Raises:
        TrainingError: it is asked for and not installed.
    """
    if wanted is False:
        return None
    how = "pip install 'mtl-perception[train]'"
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        if wanted:
            raise TrainingError(f"tensorboard: true needs TensorBoard ({error}): {how}") from error
        console.print(f"no curves are written: TensorBoard is not installed ({how})", highlight=False, markup=False)
        return None
    return SummaryWriter
