# SPDX-License-Identifier: Apache-2.0
"""Whatever can run the same network here, side by side."""

from __future__ import annotations

from typing import NamedTuple

from mtl_perception.benchmark.bench import Bench, Measurement
from mtl_perception.benchmark.compared import Compared
from mtl_perception.benchmark.networks import RUN_EXPORTS, OurEngine
from mtl_perception.benchmark.result import Part
from mtl_perception.benchmark.timing import OnStep
from mtl_perception.inference.device import resolve_device


class Way(NamedTuple):
    """One way to run a network."""

    backend: str
    precision: str
    compiled: bool = False

    @property
    def starts_slowly(self) -> bool:
        return self.compiled or self.backend in RUN_EXPORTS

    def __str__(self) -> str:
        return f"{self.backend}{', compiled' if self.compiled else ''}, {self.precision}"


DEFAULT = "the default"
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
    return bench.each_variant(_run)


def _run(bench: Bench, variant: str, on_step: OnStep) -> Part:
    device, _ = resolve_device(bench.settings.device)
    default = bench.variant(variant).on("auto", bench.settings.precision)
    ways = WAYS[device.type]
    chosen = [way for way in ways if bench.settings.slow_starts or not way.starts_slowly]
    starters = {DEFAULT: lambda: OurEngine(default)} | {str(way): lambda w=way: OurEngine(default.on(*w)) for way in chosen}
    compared = Compared(starters, bench.settings.rounds, on_step)
    compared.put(f"{variant}: {DEFAULT} / {EAGER}", [DEFAULT], [str(EAGER)], f"default_{variant}")
    for way in chosen[1:]:
        compared.put(f"{variant}: {way} / {EAGER}", [str(way)], [str(EAGER)])
    for way in ways:
        if way not in chosen:
            compared.leave_out(str(way), "left out by --quick: its start takes long")
    return compared.part(f"{variant}: backends and precisions")
