# SPDX-License-Identifier: Apache-2.0
"""An engine without a network, for tests: it finds the red box of ``small_bags``, and is exact about it.

Run as a program it is the node with this engine; the parameter ``model`` holds seconds to sleep on a frame,
or "broken".
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import numpy as np

from mtl_perception.core.scene import Depth, Detections, Scene, Segmentation

OBJECTS, STUFF = ["bin", "cup"], ["wall", "cup", "floor"]


class RedEngine:
    def __init__(self, delay_s: float = 0.0) -> None:
        self.card = SimpleNamespace(name="red", detection_labels=OBJECTS, segmentation_labels=STUFF, kinds=[], labels_of=lambda kind: [])
        self.tasks = ("detection", "segmentation", "depth")
        self.device, self.precision, self.notes, self.batch_size = "cpu", "float32", [], 1
        self.score_threshold = 0.3
        self._delay_s = delay_s

    def warm_up(self, height: int, width: int) -> None:
        pass

    def close(self) -> None:
        pass

    def batch(self, images_rgb, intrinsics, tasks) -> list[Scene]:
        return [self(*one) for one in zip(images_rgb, intrinsics, tasks)]

    def __call__(self, image_rgb, intrinsics=None, tasks=None) -> Scene:
        started_s = time.perf_counter()
        time.sleep(self._delay_s)
        image = image_rgb.astype(np.int16)
        red = image[..., 0] - image[..., 1] > 80
        rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
        boxes = [[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]] if len(rows) else []
        found = Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(len(boxes), 0.9, np.float32),
            np.ones(len(boxes), int),
        )
        mask = red.astype(np.uint8)
        near = 80.0 if intrinsics is None else intrinsics.fx
        depth_m = np.where(red, 1.5, 3.0).astype(np.float32) * np.float32(near / 80.0)
        stage_s = {"preprocess": 1e-4, "network": time.perf_counter() - started_s, "postprocess": 1e-4}
        height, width = red.shape
        wanted = set(self.tasks if tasks is None else tasks)
        return Scene(
            width,
            height,
            found if "detection" in wanted else None,
            Segmentation(mask, mask * 200 + 50) if "segmentation" in wanted else None,
            Depth(depth_m) if "depth" in wanted else None,
            stage_s,
        )


def load(parameters) -> RedEngine:
    model = parameters["model"]
    if model == "broken":
        raise ValueError("the model is broken, expected a whole one")
    return RedEngine(float(model))


if __name__ == "__main__":
    from mtl_perception.ros.main import main

    sys.exit(main(load_engine=load))
