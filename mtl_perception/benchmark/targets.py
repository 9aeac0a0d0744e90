# SPDX-License-Identifier: Apache-2.0
"""Targets of the benchmark."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """The largest value of a ratio, on a CPU and on a GPU; None where there is no target."""

    words: str
    cpu: float | None
    gpu: float | None

    def limit(self, device: str) -> float | None:
        """For a device as an arm's facts name it."""
        return self.gpu if device.startswith("cuda") else self.cpu


TARGETS = {
    "sharing_lite": Target("lite: multi-task / sum of three single-task networks, engine", 0.40, None),
    "sharing_base": Target("base: multi-task / sum of three single-task networks, engine", 0.40, None),
    "memory_lite": Target("lite: the same, peak memory", 0.40, None),
    "memory_base": Target("base: the same, peak memory", 0.40, None),
    "default_lite": Target("lite: the default backend / eager PyTorch", 0.60, None),
    "peers_lite": Target("lite / (ssdlite + lraspp + depth)", 0.60, None),
    "beside_base": Target("base: preprocess + postprocess + fill / network", 0.25, 1.0),
}
"""By ``Ratio.target``."""


class TimeTarget(NamedTuple):
    """The largest value of a percentile on one kind of GPU."""

    gpu: str
    words: str
    section: str
    arm: str
    percentile: str
    limit_ms: float


TIME_TARGETS = (
    TimeTarget("H100", "base, engine, p50", "stages", "base, input as the image", "p50_ms", 1.0),
    TimeTarget("H100", "base, engine, p99", "stages", "base, input as the image", "p99_ms", 1.5),
    TimeTarget("H100", "16 cameras at 30 Hz, engine, p99", "cameras", "16, as the node does it", "p99_ms", 20.0),
    TimeTarget("H100", "node over DDS, p50", "node", "one at a time", "p50_ms", 5.0),
)
"""Absolute ones, for images of 640×480."""
