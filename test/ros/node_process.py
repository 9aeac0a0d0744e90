# SPDX-License-Identifier: Apache-2.0
"""The node with an engine that is quick, slow or broken, by the name of its model."""

from __future__ import annotations

import sys

from free_engine import FreeEngine

from mtl_perception.ros.main import main


class BrokenEngine(FreeEngine):
    def __call__(self, image_rgb, intrinsics=None, tasks=None):
        raise RuntimeError("out of memory")


def load_engine(model: str, device: str, precision: str) -> FreeEngine:
    if device == "cuda":
        raise ValueError("device is 'cuda', but this machine has no CUDA device; use device:=auto or cpu")
    engines = {"free": FreeEngine, "slow": lambda: FreeEngine(delay_s=0.1), "broken": BrokenEngine}
    if model not in engines:
        raise ValueError(f"model file {model} does not exist")
    return engines[model]()


if __name__ == "__main__":
    sys.exit(main(sys.argv, load_engine))
