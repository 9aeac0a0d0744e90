# SPDX-License-Identifier: Apache-2.0
"""The engine's stages: from a camera's image in memory to a Scene."""

from __future__ import annotations

from mtl_perception.benchmark.bench import Bench, Measurement
from mtl_perception.benchmark.compared import Compared
from mtl_perception.benchmark.networks import OurEngine
from mtl_perception.benchmark.result import Part
from mtl_perception.benchmark.timing import OnStep


def plan(bench: Bench) -> list[Measurement]:
    def run(on_step: OnStep) -> Part:
        starters = {f"{bench.model_name}, as it is": lambda: OurEngine(bench.shipped())}
        for variant in bench.settings.variants:
            starters[f"{variant}, input as the image"] = lambda v=variant: OurEngine(bench.variant(v))
        compared = Compared(starters, bench.settings.frames, on_step)
        return compared.part("From an image in memory to a Scene")

    return [Measurement("stages", bench.settings.frames, run)]
