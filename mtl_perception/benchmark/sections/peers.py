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
from mtl_perception.inference.device import resolve_device, resolve_precision


def plan(bench: Bench) -> list[Measurement]:
    return [Measurement("peers", bench.settings.rounds, lambda on_step: _run(bench, on_step))]


def peer_specs(bench: Bench) -> dict[str, PeerSpec]:
    """The networks that are compared with, by name: on a CPU in single precision, as they come, unless the settings say
    otherwise; those that most users would pick there also in bfloat16, where the CPU has units for it."""
    chosen = bench.settings
    names = (*chosen.detectors, *chosen.segmenters)
    device, _ = resolve_device(chosen.device)
    own = resolve_precision(chosen.precision, device)[1]
    first = "float32" if device.type == "cpu" and chosen.precision == "auto" else own

    def spec(name: str, precision: str) -> PeerSpec:
        return PeerSpec(peer=name, classes=label_count(chosen.model), device=chosen.device, precision=precision, image=chosen.size)

    specs = {name: spec(name, first) for name in names}
    if own != first:
        specs |= {_in(name, own): spec(name, own) for name in (chosen.detectors[0], chosen.segmenters[0])}
    return specs


def _run(bench: Bench, on_step: OnStep) -> Part:
    chosen = bench.settings
    starters: dict[str, Callable[[], Subject]] = {}
    for variant in chosen.variants:
        whole, depth = bench.variant(variant), bench.variant(variant, "depth")
        starters[variant] = lambda s=whole: OurEngine(s)
        starters[_depth(variant)] = lambda s=depth: OurEngine(s)
        starters[_eager(variant)] = lambda s=whole: OurEngine(s.on("torch", "float32"))
        starters[_eager(_depth(variant))] = lambda s=depth: OurEngine(s.on("torch", "float32"))
    peers = peer_specs(bench)
    starters |= {name: lambda s=spec: Peer(s) for name, spec in peers.items()}
    compared = Compared(starters, chosen.rounds, on_step)
    for variant in chosen.variants:
        for detector, segmenter in product(chosen.detectors, chosen.segmenters):
            is_lightest = (detector, segmenter) == (chosen.detectors[0], chosen.segmenters[0])
            target = f"peers_{variant}" if is_lightest else None
            others = [detector, segmenter, _depth(variant)]
            compared.put(f"{variant} / ({detector} + {segmenter} + depth)", [variant], others, target)
            if is_lightest:
                others[2] = _eager(_depth(variant))
                compared.put(f"{variant}: the same, ours in eager PyTorch and float32 too", [_eager(variant)], others)
                for precision in {spec.precision for spec in peers.values()} - {peers[detector].precision}:
                    others = [_in(detector, precision), _in(segmenter, precision), _depth(variant)]
                    compared.put(f"{variant}: the same, theirs in {precision}", [variant], others)
    return compared.part("Against a detector, a segmenter and a depth network", NOTES)


def _in(name: str, precision: str) -> str:
    return f"{name}, {precision}"


def _depth(variant: str) -> str:
    return f"{variant}, depth alone"


def _eager(name: str) -> str:
    return f"{name}, eager PyTorch"
