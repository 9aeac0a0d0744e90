# SPDX-License-Identifier: Apache-2.0
"""A network converted for OpenVINO, also in a process of its own, which imports this file by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtl_perception.inference import Engine

IMAGE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)


def depth(checkpoint: Path) -> np.ndarray:
    """(96, 128) metres of one image, by a network that is converted or taken from the cache."""
    return Engine.load(checkpoint, device="cpu", precision="float32", backend="openvino")(IMAGE).depth.depth_m
