# SPDX-License-Identifier: Apache-2.0
"""Whatever can run the same network here, side by side."""

from __future__ import annotations

from typing import NamedTuple

from mtl_perception.benchmark.bench import Bench, Measurement
from mtl_perception.benchmark.compared import Compared
from mtl_perception.benchmark.networks import OurEngine
from mtl_perception.benchmark.result import Part
from mtl_perception.benchmark.timing import OnStep
from mtl_perception.inference.device import resolve_device


class Way(NamedTuple):
    """One way to run a network."""

    backend: str
    precision: str
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.backend}{', compiled' if self.compiled else ''}, {self.precision}"


DEFAULT = Way("auto", "auto")
EAGER = Way("torch", "float32")
WAYS = {
    "cpu": (
        EAGER,
        Way("torch", "bfloat16"),
        Way("torch", "float32", compiled=True),
        Way("onnxruntime", "float32"),
        Way("openvino", "float32"),
        Way("openvino", "bfloat16"),
    ),
    "cuda": (
        EAGER,
        Way("torch", "float16"),
        Way("torch", "bfloat16"),
        Way("torch", "float16", compiled=True),
        Way("onnxruntime", "float32"),
        Way("onnxruntime", "float16"),
        Way("tensorrt", "float16"),
    ),
}


def plan(bench: Bench) -> list[Measurement]:
    rounds = bench.settings.rounds
    return [Measurement(name, rounds, lambda on_step, v=name: _run(bench, v, on_step)) for name in bench.settings.variants]


def _run(bench: Bench, variant: str, on_step: OnStep) -> Part:
    device, _ = resolve_device(bench.settings.device)
    spec = bench.variant(variant).on("auto", bench.settings.precision)
    ways = [way for way in WAYS[device.type] if bench.settings.compiled or not way.compiled]
    starters = {"the default": lambda: OurEngine(spec)} | {str(way): lambda w=way: OurEngine(spec.on(*w)) for way in ways}
    compared = Compared(starters, bench.settings.rounds, on_step)
    for name in ("the default", *map(str, ways[1:])):
        target = f"default_{variant}" if name == "the default" else None
        compared.put(f"{variant}: {name} / {EAGER}", [name], [str(EAGER)], target)
    return compared.part(f"{variant}: backends and precisions")
