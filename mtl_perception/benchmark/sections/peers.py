# SPDX-License-Identifier: Apache-2.0
"""Our engine against a detector, a segmenter and a depth network run one after the other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from mtl_perception.benchmark.bench import Bench, Measurement
from mtl_perception.benchmark.compared import Compared, Subject
from mtl_perception.benchmark.networks import OurEngine, label_count
from mtl_perception.benchmark.peers import NOTES, Peer, PeerSpec
from mtl_perception.benchmark.result import Part
from mtl_perception.benchmark.timing import OnStep


def plan(bench: Bench) -> list[Measurement]:
    return [Measurement("peers", bench.settings.rounds, lambda on_step: _run(bench, on_step))]


def peer_specs(bench: Bench) -> dict[str, PeerSpec]:
    """The networks that are compared with, by name."""
    chosen = bench.settings
    classes = label_count(chosen.model)
    return {
        name: PeerSpec(peer=name, classes=classes, device=chosen.device, precision=chosen.precision, image=chosen.size)
        for name in (*chosen.detectors, *chosen.segmenters)
    }


def _run(bench: Bench, on_step: OnStep) -> Part:
    chosen = bench.settings
    starters: dict[str, Callable[[], Subject]] = {}
    for variant in chosen.variants:
        starters[variant] = lambda v=variant: OurEngine(bench.variant(v))
        starters[_eager(variant)] = lambda v=variant: OurEngine(bench.variant(v).on("torch"))
        starters[_depth(variant)] = lambda v=variant: OurEngine(bench.variant(v, "depth"))
        starters[_eager(_depth(variant))] = lambda v=variant: OurEngine(bench.variant(v, "depth").on("torch"))
    starters |= {name: lambda s=spec: Peer(s) for name, spec in peer_specs(bench).items()}
    compared = Compared(starters, chosen.rounds, on_step)
    for variant, detector, segmenter in product(chosen.variants, chosen.detectors, chosen.segmenters):
        others = f"{detector} + {segmenter}"
        is_lightest = detector.startswith("ssdlite") and segmenter.startswith("lraspp")
        target = f"peers_{variant}" if is_lightest else None
        compared.put(f"{variant} / ({others} + depth)", [variant], [detector, segmenter, _depth(variant)], target)
        if is_lightest:
            eager = [detector, segmenter, _eager(_depth(variant))]
            compared.put(f"{variant}: the same with ours in eager PyTorch too", [_eager(variant)], eager)
    return compared.part("Against a detector, a segmenter and a depth network", NOTES)


def _depth(variant: str) -> str:
    return f"{variant}, depth alone"


def _eager(name: str) -> str:
    return f"{name}, eager PyTorch"
