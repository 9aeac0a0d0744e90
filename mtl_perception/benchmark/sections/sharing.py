# SPDX-License-Identifier: Apache-2.0
"""One network for three tasks against three networks for one task each, of the same encoder, neck and heads."""

from __future__ import annotations

from mtl_perception.benchmark.bench import Bench, Measurement
from mtl_perception.benchmark.compared import Compared
from mtl_perception.benchmark.networks import TASKS, OurEngine
from mtl_perception.benchmark.result import Part
from mtl_perception.benchmark.timing import OnStep

ALL = "multi-task"
EAGER = "eager PyTorch, float32"


def plan(bench: Bench) -> list[Measurement]:
    rounds = bench.settings.rounds
    return [Measurement(name, rounds, lambda on_step, v=name: _run(bench, v, on_step)) for name in bench.settings.variants]


def _run(bench: Bench, variant: str, on_step: OnStep) -> Part:
    specs = {ALL: bench.variant(variant)} | {f"{task} alone": bench.variant(variant, task) for task in TASKS}
    # How much sharing saves depends on what the heads cost beside the encoder, and so on what runs them.
    specs |= {_eager(name): spec.on("torch", "float32") for name, spec in specs.items()}
    starters = {name: lambda s=spec: OurEngine(s) for name, spec in specs.items()}
    compared = Compared(starters, bench.settings.rounds, on_step)
    alone = [f"{task} alone" for task in TASKS]
    what = f"{variant}: multi-task / sum of three single-task"
    compared.put(f"{what}, engine", [ALL], alone, f"sharing_{variant}")
    compared.put(f"{what}, network only", [ALL], alone, stage="network")
    eager = [_eager(name) for name in alone]
    compared.put(f"{what}, engine, {EAGER}", [_eager(ALL)], eager)
    compared.put(f"{what}, network only, {EAGER}", [_eager(ALL)], eager, stage="network")
    return compared.part(f"{variant}: one network against three")


def _eager(name: str) -> str:
    return f"{name}, {EAGER}"
