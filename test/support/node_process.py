# SPDX-License-Identifier: Apache-2.0
"""The node with an engine that is quick, slow or broken, by the name of its model."""

from __future__ import annotations

import sys
import time

from free_engine import FreeEngine

from mtl_perception.ros.main import main
from mtl_perception.ros.parameters import Parameters


class BrokenEngine(FreeEngine):
    def __call__(self, image_rgb, intrinsics=None, tasks=None):
        raise RuntimeError("out of memory")


class BatchEngine(FreeEngine):
    """One delay for a whole batch, as on a GPU; images of 80 pixels' width fail if ``is_picky``."""

    def __init__(self, delay_s: float = 0.0, is_picky: bool = False) -> None:
        super().__init__(batch_size=8)
        self._batch_delay_s = delay_s
        self._is_picky = is_picky

    def batch(self, images_rgb, intrinsics, tasks):
        time.sleep(self._batch_delay_s)
        if self._is_picky and any(image.shape[1] == 80 for image in images_rgb):
            raise RuntimeError("too wide")
        return super().batch(images_rgb, intrinsics, tasks)


def load_engine(parameters: Parameters) -> FreeEngine:
    model = parameters["model"]
    if parameters["device"] == "cuda":
        raise ValueError("device is 'cuda', but this machine has no CUDA device; use device:=auto or cpu")
    engines = {
        "free": FreeEngine,
        "slow": lambda: FreeEngine(delay_s=0.1),
        "broken": BrokenEngine,
        "detection_only": lambda: FreeEngine(tasks=("detection",)),
        "slow_batch": lambda: BatchEngine(delay_s=0.1),
        "picky_batch": lambda: BatchEngine(is_picky=True),
    }
    if model not in engines:
        raise ValueError(f"model file {model} does not exist")
    return engines[model]()


if __name__ == "__main__":
    sys.exit(main(sys.argv, load_engine))
