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
    return bench.each_variant(_run)


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
    part = compared.part(f"{variant}: one network against three")
    if not part.missing:
        part.notes += [what_is_shared(part, suffix) for suffix in ("", f", {EAGER}")]
    return part


def what_is_shared(part: Part, suffix: str = "") -> str:
    """Why the ratio is what it is: how the processor's time divides between what the tasks share and their own.

    Three networks run the shared part three times and each task's own part once; so does the multi-task one, but for
    the shared part, which it runs once. Hence the shared part takes half of the difference.
    """
    whole = part.arms[f"{ALL}{suffix}"].processor_ms
    shared = (sum(part.arms[f"{task} alone{suffix}"].processor_ms for task in TASKS) - whole) / 2
    name = suffix.removeprefix(", ") or "the default backend"
    return (
        f"Of the processor's time on {name}, what the tasks share (preparation, encoder, neck) takes {shared:.0f} ms a frame, "
        f"their heads and decoding {whole - shared:.0f} ms: a share of {shared / whole:.0%}. Were all of it shared, the ratio "
        "would be 1/3."
    )


def _eager(name: str) -> str:
    return f"{name}, {EAGER}"
