# SPDX-License-Identifier: Apache-2.0
"""The node with an engine that is quick, broken, or as slow as the test wants, by the name of its model.

A gated engine waits on each frame, or batch, for a byte on standard input: so it is a test that says how many frames a camera
sends while the network is busy with one, and no clock.
"""

from __future__ import annotations

import os
import sys

from mtl_perception.ros.constant_engine import Card, ConstantEngine
from mtl_perception.ros.main import main
from mtl_perception.ros.node.parameters import Parameters


class BrokenEngine(ConstantEngine):
    def __call__(self, image_rgb, intrinsics=None, tasks=None):
        raise RuntimeError("out of memory")


class GatedEngine(ConstantEngine):
    def __call__(self, image_rgb, intrinsics=None, tasks=None):
        wait_at_gate()
        return super().__call__(image_rgb, intrinsics, tasks)


class BatchEngine(ConstantEngine):
    """Takes several frames at once, as on a GPU; images of 80 pixels' width fail if ``is_picky``."""

    def __init__(self, is_gated: bool = False, is_picky: bool = False) -> None:
        super().__init__(batch_size=8)
        self._is_gated, self._is_picky = is_gated, is_picky

    def batch(self, images_rgb, intrinsics, tasks):
        if self._is_gated:
            wait_at_gate()
        if self._is_picky and any(image.shape[1] == 80 for image in images_rgb):
            raise RuntimeError("too wide")
        return super().batch(images_rgb, intrinsics, tasks)


def wait_at_gate() -> None:
    """Return when there is a byte to read, or the other end is closed."""
    os.read(sys.stdin.fileno(), 1)


def every_label_engine() -> ConstantEngine:
    """With a card that makes every topic that there can be."""
    engine = ConstantEngine()
    engine.card = Card(
        detection_labels=["door", "person", "chair", "bottle"],
        further_labels={"classification": ["kitchen"], "lanes": ["lane"], "normals": [], "instances": []},
    )
    return engine


def long_names_engine() -> ConstantEngine:
    engine = ConstantEngine()
    long = [f"{number}{'x' * 1_000_000}" for number in range(9)]
    engine.card = Card(name=long[0], detection_labels=long, segmentation_labels=long)
    return engine


def load_engine(parameters: Parameters) -> ConstantEngine:
    model = parameters["model"]
    if parameters["device"] == "cuda":
        raise ValueError("device is 'cuda', but this machine has no CUDA device; use device:=auto or cpu")
    engines = {
        "free": ConstantEngine,
        "gated": GatedEngine,
        "broken": BrokenEngine,
        "every_label": every_label_engine,
        "long_names": long_names_engine,
        "detection_only": lambda: ConstantEngine(tasks=("detection",)),
        "gated_batch": lambda: BatchEngine(is_gated=True),
        "picky_batch": lambda: BatchEngine(is_picky=True),
    }
    if model not in engines:
        raise ValueError(f"model file {model} does not exist")
    return engines[model]()


if __name__ == "__main__":
    sys.exit(main(sys.argv, load_engine))
