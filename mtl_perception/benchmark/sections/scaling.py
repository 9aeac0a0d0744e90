# SPDX-License-Identifier: Apache-2.0
"""How the cost grows with the number of cameras and with their resolution."""

from __future__ import annotations

from mtl_perception.benchmark.bench import Bench, Measurement
from mtl_perception.benchmark.compared import Compared
from mtl_perception.benchmark.networks import OurEngine
from mtl_perception.benchmark.result import Part
from mtl_perception.benchmark.timing import OnStep
from mtl_perception.inference.device import resolve_device

TOGETHER, ALONE = "as the node does it", "one by one"
OWN, AS_IMAGE = "the model's own input", "input as the image"


def plan_cameras(bench: Bench) -> list[Measurement]:
    rounds = _fewer(bench)
    # A CPU takes images one by one in any case.
    ways = {TOGETHER: True} if resolve_device(bench.settings.device)[0].type == "cpu" else {TOGETHER: True, ALONE: False}

    def run(on_step: OnStep) -> Part:
        starters = {
            f"{count}, {way}": lambda n=count, t=together: OurEngine(bench.shipped(), n, t)
            for count in bench.settings.cameras
            for way, together in ways.items()
        }
        width, height = bench.settings.size
        return Compared(starters, rounds, on_step).part(f"Number of cameras of {width}×{height}")

    return [Measurement("cameras", rounds, run)]


def plan_resolution(bench: Bench) -> list[Measurement]:
    rounds = _fewer(bench)

    def run(on_step: OnStep) -> Part:
        starters = {}
        for size in bench.settings.sizes:
            starters[f"{size[0]}×{size[1]}, {OWN}"] = lambda s=size: OurEngine(bench.shipped(s))
            if bench.settings.slow_starts or size == bench.settings.size:
                starters[f"{size[0]}×{size[1]}, {AS_IMAGE}"] = lambda s=size: OurEngine(bench.resized(s))
        return Compared(starters, rounds, on_step).part("Resolution of the camera")

    return [Measurement("resolution", rounds, run)]


def _fewer(bench: Bench) -> int:
    """These work on many or large images."""
    return max(3, bench.settings.rounds // 3)
