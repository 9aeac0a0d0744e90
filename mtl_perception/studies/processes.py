# SPDX-License-Identifier: Apache-2.0
"""The runs of a report in processes of their own, one or several at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from rich.console import Console

from mtl_perception.core.interrupts import STATUS, heard, interrupted_by_sigterm, kept_from_children, raised
from mtl_perception.core.terminal import Terminal
from mtl_perception.studies.plan import PlannedRun, TransferConfig
from mtl_perception.studies.runs import RunResult, TransferError, do


def in_processes(config: TransferConfig, runs: Sequence[PlannedRun], console: Console, jobs: int) -> Iterator[RunResult]:
    """Train and score ``runs``, each apart, so that one's memory is not counted as another's.

    Whoever stops asking, or is interrupted, ends those in training; they save their state.

    Args:
        jobs: so many at a time. What several say goes to a file beside each one's result.

    Yields:
        Results as they come.

    Raises:
        TransferError: a run ended without a result.
        KeyboardInterrupt: one was asked to end.
    """
    waiting, training, started_s = list(runs), {}, time.monotonic()
    with interrupted_by_sigterm():
        try:
            while waiting or training:
                while waiting and len(training) < jobs:
                    run = waiting.pop(0)
                    number = len(runs) - len(waiting)
                    kind = f", a trial at rate {run.training.learning_rate:g}" if run.is_trial else ""
                    console.rule(f"{number} of {len(runs)}: {run.setup}, {run.share:.0%} of the data, seed {run.seed}{kind}")
                    log = run.result.with_suffix(".log") if jobs > 1 else None
                    process = _processes().Process(target=_alone, args=(config, run, log))
                    with kept_from_children(), _ended_one_by_one():
                        process.start()
                    training[process.sentinel] = process, run, log
                for sentinel in wait(list(training)):
                    process, run, log = training.pop(sentinel)
                    process.join()
                    _check(process, run, log)
                    left = len(waiting) + len(training)
                    left_min = (time.monotonic() - started_s) / (len(runs) - left) * left / 60
                    console.print(f"{run.setup}, seed {run.seed}: done; about {left_min:.0f} minutes left", highlight=False)
                    yield RunResult.model_validate_json(run.result.read_text(encoding="utf-8"))
        except KeyboardInterrupt:
            if jobs > 1:  # one alone has said so itself
                console.print("stopped; the same command resumes from there", highlight=False)
            raise
        finally:
            # Training saves its state when it is asked to end; perhaps only this process was.
            for process, _, _ in training.values():
                process.terminate()
            for process, _, _ in training.values():
                process.join()


def _processes() -> Any:
    """They begin with modules loaded, which takes ten seconds of a processor and is done once for all of them: in a process that does
    nothing else, so that none begins with memory that another one used."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "mtl_perception.training", "mtl_perception.evaluation.scenes", "torchvision.ops"])
    return context


@contextmanager
def _ended_one_by_one() -> Iterator[None]:
    """Processes that are started inside do not see SIGTERM before ``_alone``: who ends a whole group leaves the one that they are
    forked from, which tells of their end, and ends with this one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _check(process: Any, run: PlannedRun, log: Path | None) -> None:
    if process.exitcode == STATUS:
        raise KeyboardInterrupt
    if process.exitcode or not run.result.exists():
        raise TransferError(
            f"the run '{run.setup}' (seed {run.seed}) ended with status {process.exitcode}; what it said stands "
            f"{'above' if log is None else f'in {log}'}. The same command resumes from there"
        )


def _alone(config: TransferConfig, run: PlannedRun, log: Path | None) -> None:
    """Says in a sentence what can be put right; our bugs show their trace."""
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            os.dup2(file.fileno(), sys.stdout.fileno())
            os.dup2(file.fileno(), sys.stderr.fileno())
    try:
        with raised():
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            heard()
            do(config, run, Terminal())
    except KeyboardInterrupt:
        sys.exit(STATUS)
    except Exception as error:
        if not type(error).__module__.startswith("mtl_perception.") and not isinstance(error, (ValueError, OSError, ImportError)):
            raise
        Terminal(stderr=True).print(f"error: {error}", highlight=False)
        sys.exit(1)
