# SPDX-License-Identifier: Apache-2.0
"""The node in its own process: stages, and a frame's whole way over DDS."""

from __future__ import annotations

import os

from mtl_perception.benchmark.bench import Bench, Measurement, Unavailable
from mtl_perception.benchmark.images import camera_images, camera_intrinsics
from mtl_perception.benchmark.networks import TASKS, EngineSpec, run_once
from mtl_perception.benchmark.result import Arm, Part, Ratio
from mtl_perception.benchmark.timing import OnStep, proportion, timing
from mtl_perception.ros.awake import processors_awake
from mtl_perception.ros.environment import profile_variable, require_ros, tuned_environment

RATE_HZ = 30.0
ALONE, CAMERA = "one at a time", f"camera at {RATE_HZ:.0f} Hz"
BESIDE = ("preprocess", "postprocess", "fill")


def plan(bench: Bench) -> list[Measurement]:
    specs = {f"{bench.model_name}, as it is": lambda: bench.shipped()}
    specs |= {f"{variant}, input as the image": lambda v=variant: bench.variant(v) for variant in bench.settings.variants}
    steps = 2 * bench.settings.frames
    return [Measurement(name, steps, lambda on_step, n=name, s=spec: _run(bench, n, s(), on_step)) for name, spec in specs.items()]


def _run(bench: Bench, name: str, spec: EngineSpec, on_step: OnStep) -> Part:
    try:
        require_ros()
    except ImportError as error:
        raise Unavailable(str(error)) from None
    # Fast DDS and malloc as the node gets them from `mtl-perception run`.
    environment = tuned_environment() | {"OMP_NUM_THREADS": str(bench.settings.threads)}
    os.environ.setdefault(profile_variable(), environment[profile_variable()])
    from mtl_perception.ros.latency import LatencyRig

    width, height = spec.image
    parameters = {
        "model": spec.model,
        "device": spec.device,
        "precision": spec.precision,
        "backend": spec.backend,
        "warm_up.width": width,
        "warm_up.height": height,
    }
    run_once(spec)  # a conversion at the first start is not what the node should be waited for
    frames = bench.settings.frames
    log = bench.folder / "node.log"
    images, camera = camera_images(width, height), camera_intrinsics(width, height)
    with processors_awake(), LatencyRig(parameters, images, camera, TASKS, log, environment) as rig:
        found = {ALONE: rig.one_at_a_time(frames, on_step), CAMERA: rig.at_rate(RATE_HZ, frames, on_step)}
        facts = {"device": rig.status.device, "precision": rig.status.precision, "backend": spec.backend, "image": f"{width}×{height}"}
    arms = {way: _arm(timings, facts, frames) for way, timings in found.items() if timings}
    part = Part(title=f"{name}: from the camera's publish() to the last of boxes, mask and depth", arms=arms)
    if found[ALONE]:
        part.ratios.append(_beside_the_network(name, found[ALONE]))
    return part


def _arm(timings: list, facts: dict[str, str], sent: int) -> Arm:
    stages = dict.fromkeys(stage for one in timings for stage in one.stage_s)
    return Arm(
        facts=facts,
        total=timing([one.latency_s for one in timings]),
        stages={stage: timing([one.stage_s.get(stage, 0.0) for one in timings]) for stage in stages},
        answered=len(timings) / sent,
    )


def _beside_the_network(name: str, timings: list) -> Ratio:
    variant = name.partition(",")[0] if "input as" in name else None
    return proportion(
        f"{name}: preprocess + postprocess + fill / network",
        [sum(one.stage_s.get(stage, 0.0) for stage in BESIDE) for one in timings],
        [one.stage_s["network"] for one in timings],
        variant and f"beside_{variant}",
    )
