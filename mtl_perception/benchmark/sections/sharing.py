# SPDX-License-Identifier: Apache-2.0
"""One network for three tasks against three networks for one task each, of the same encoder, neck and heads."""

from __future__ import annotations

from mtl_perception.benchmark.bench import Bench, Measurement
from mtl_perception.benchmark.compared import Compared
from mtl_perception.benchmark.networks import TASKS, OurEngine
from mtl_perception.benchmark.result import Part
from mtl_perception.benchmark.timing import OnStep

ALL = "multi-task"


def plan(bench: Bench) -> list[Measurement]:
    rounds = bench.settings.rounds
    return [Measurement(name, rounds, lambda on_step, v=name: _run(bench, v, on_step)) for name in bench.settings.variants]


def _run(bench: Bench, variant: str, on_step: OnStep) -> Part:
    starters = {ALL: lambda: OurEngine(bench.variant(variant))}
    starters |= {f"{task} alone": lambda t=task: OurEngine(bench.variant(variant, t)) for task in TASKS}
    compared = Compared(starters, bench.settings.rounds, on_step)
    alone = [name for name in starters if name != ALL]
    compared.put(f"{variant}: multi-task / sum of three single-task, engine", [ALL], alone, f"sharing_{variant}")
    return compared.part(f"{variant}: one network against three")
