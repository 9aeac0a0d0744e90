# SPDX-License-Identifier: Apache-2.0
"""Contenders side by side: started, given their turns, closed, and put into proportion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

import numpy as np

from mtl_perception.benchmark.result import Arm, Part, Ratio
from mtl_perception.benchmark.timing import OnStep, Samples, interleave, ratio, timing
from mtl_perception.core.interrupts import interruptions


class Subject(Protocol):
    """Something with a camera before it; see ``OurEngine`` and ``Peer``.

    Attributes:
        facts: as ``Arm.facts``.
        images: that one turn works on.
    """

    facts: dict[str, str]
    images: int

    def __call__(self) -> Mapping[str, float]: ...

    def close(self) -> None: ...


class Compared:
    """Results of giving each of ``starters`` its turns; one that could not start is missing, with the reason."""

    def __init__(self, starters: Mapping[str, Callable[[], Subject]], rounds: int, on_step: OnStep) -> None:
        self._missing: dict[str, str] = {}
        self._ratios: list[Ratio] = []
        with ExitStack() as started:
            subjects: dict[str, Subject] = {}
            for name, start in starters.items():
                try:
                    with interruptions():
                        subjects[name] = start()
                except (ValueError, OSError, ImportError, RuntimeError) as error:
                    self._missing[name] = first_line(error)
                    continue
                started.callback(subjects[name].close)
            self._samples = interleave(subjects, rounds, on_step)
            self._arms = {name: _arm(self._samples[name], subject) for name, subject in subjects.items()}

    def put(self, name: str, of: Sequence[str], to: Sequence[str], target: str | None = None, stage: str | None = None) -> None:
        """Note how long ``of`` take together in times of ``to`` together, if all of them were measured."""
        if {*of, *to} <= set(self._samples):
            self._ratios.append(ratio(name, self._samples, of, to, target, stage))

    def leave_out(self, name: str, reason: str) -> None:
        """Note that something has no turn."""
        self._missing[name] = reason

    def part(self, title: str, notes: Iterable[str] = ()) -> Part:
        return Part(title=title, arms=self._arms, ratios=self._ratios, missing=self._missing, notes=list(notes))


def first_line(error: Exception) -> str:
    """Returns the message of an error, short enough for a table."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _arm(samples: Samples, subject: Subject) -> Arm:
    return Arm(
        facts=subject.facts,
        total=timing(samples.wall_s),
        stages={stage: timing(seconds) for stage, seconds in samples.stage_s.items()},
        images=subject.images,
        processor_ms=1e3 * float(np.median(samples.processor_s)),
    )
