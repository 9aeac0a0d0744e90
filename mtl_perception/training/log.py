# SPDX-License-Identifier: Apache-2.0
"""What a run says while it goes: one line that moves in a terminal, plain lines in a file, curves in TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any

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
            f"step {schedule.step}  {stage.width}x{stage.height}  {_short(losses)}  lr {schedule.learning_rate:.1e}  "
            f"{rate:.1f} images/s  left {self._left()}"
        )
        if self._progress is not None:
            self._progress.update(self._bar, completed=schedule.measure(), description=line)
        else:
            self.say(f"{100 * schedule.measure():5.1f} %  {line}")
        if self._events is not None:
            for name, value in losses.items():
                group = "" if name == LossWatch.GRADIENT else "loss/"
                self._events.add_scalar(f"{group}{name}", value, schedule.step)
            for task, weight in weights.items():
                self._events.add_scalar(f"weight/{task}", weight, schedule.step)
            self._events.add_scalar("learning_rate", schedule.learning_rate, schedule.step)
            self._events.add_scalar("images_per_s", rate, schedule.step)
            self._events.add_scalar("samples", schedule.samples, schedule.step)

    def validation(self, found: Validation, is_best: bool) -> None:
        self.say(f"step {self._schedule.step}: validation {found.text}{', the best so far' if is_best else ''}")
        if self._events is None:
            return
        self._events.add_scalar("validation/score", found.score, self._schedule.step)
        for task, values in found.measures.items():
            for name, value in values.items():
                self._events.add_scalar(f"validation_{task}/{name}", value, self._schedule.step)
        for number, picture in enumerate(found.pictures):
            self._events.add_image(f"validation/{number}", picture, self._schedule.step, dataformats="HWC")
        self._events.flush()

    def _mark(self) -> tuple[int, float, float]:
        return self._schedule.samples, self._schedule.spent_s, self._schedule.measure()

    def _left(self) -> str:
        _, spent_s, share = self._mark()
        done = share - self._start[2]
        if done <= 0:
            return "–"
        return str(timedelta(seconds=round((spent_s - self._start[1]) / done * (1 - share))))


def _short(losses: Mapping[str, float]) -> str:
    return "  ".join(f"{task[:3]}/{term} {value:.3f}" if term else f"{task} {value:.2f}" for task, _, term, value in _parts(losses))


def _parts(losses: Mapping[str, float]) -> list[tuple[str, str, str, float]]:
    return [(*name.partition("/"), value) for name, value in losses.items()]


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
