# SPDX-License-Identifier: Apache-2.0
"""Peak memory: a fresh process for each network, so that none inherits what another left."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from mtl_perception.benchmark.bench import Bench, Measurement
from mtl_perception.benchmark.networks import TASKS, EngineSpec, run_once
from mtl_perception.benchmark.peers import PeerSpec
from mtl_perception.benchmark.probe import measure_memory
from mtl_perception.benchmark.result import Arm, Part, Ratio
from mtl_perception.benchmark.sections.peers import peer_specs
from mtl_perception.benchmark.timing import OnStep

TOGETHER = "three single-task, one process"


def plan(bench: Bench) -> list[Measurement]:
    found = [
        Measurement(variant, len(TASKS) + 2, lambda on_step, v=variant: _sharing(bench, v, on_step)) for variant in bench.settings.variants
    ]
    return [*found, Measurement("torchvision", len(peer_specs(bench)), lambda on_step: _peers(bench, on_step))]


def _sharing(bench: Bench, variant: str, on_step: OnStep) -> Part:
    alone = {f"{task} alone": [bench.variant(variant, task)] for task in TASKS}
    groups = {"multi-task": [bench.variant(variant)], **alone, TOGETHER: [spec for specs in alone.values() for spec in specs]}
    arms = _measure(bench, groups, on_step)
    what = f"{variant}: multi-task"
    whole, single = arms["multi-task"], [arms[name] for name in alone]
    return Part(
        title=f"{variant}: one network against three",
        arms=arms,
        ratios=[
            _ratio(f"{what} / sum of three single-task processes, peak", _peak(whole), sum(map(_peak, single)), f"memory_{variant}"),
            _ratio(f"{what}: the same without what the libraries take", _own(whole), sum(map(_own, single))),
            _ratio(f"{what} / three single-task in one process, peak", _peak(whole), _peak(arms[TOGETHER])),
        ],
    )


def _peers(bench: Bench, on_step: OnStep) -> Part:
    arms = _measure(bench, {name: [spec] for name, spec in peer_specs(bench).items()}, on_step)
    return Part(title="What torchvision's networks take", arms=arms)


def _measure(bench: Bench, groups: dict[str, Sequence[EngineSpec | PeerSpec]], on_step: OnStep) -> dict[str, Arm]:
    def measure(specs: Sequence[EngineSpec | PeerSpec]) -> Arm:
        found = measure_memory(specs, bench.settings.threads)
        on_step()
        return Arm(facts=found.facts, peak_mib=found.peak_mib, before_mib=found.before_mib)

    for specs in groups.values():
        for spec in specs:
            if isinstance(spec, EngineSpec):
                run_once(spec)  # what a backend converts at the first start is there from then on
    # Two at once: memory is not time, and does not mind.
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(groups, pool.map(measure, groups.values())))


def _peak(arm: Arm) -> float:
    return arm.peak_mib or 0.0


def _own(arm: Arm) -> float:
    return _peak(arm) - (arm.before_mib or 0.0)


def _ratio(name: str, of: float, to: float, target: str | None = None) -> Ratio:
    share = of / to
    return Ratio(name=name, median=share, low=share, high=share, of_least=share, target=target)
