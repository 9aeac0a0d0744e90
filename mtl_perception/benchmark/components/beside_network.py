# SPDX-License-Identifier: Apache-2.0
"""Costs beside the network: both in one process, on one thread, in the processor's time."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch

from mtl_perception.core.resources import find_model
from mtl_perception.inference.engine import Engine


def read_options(description: str, rounds: int) -> argparse.Namespace:
    """``model``, ``backend`` and ``rounds`` from the command line."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--model", default="lite")
    parser.add_argument("--backend", default="torch", help="what runs the network: torch, openvino ...")
    parser.add_argument("--rounds", type=int, default=rounds)
    return parser.parse_args()


def open_engine(model: str, backend: str) -> tuple[Engine, np.ndarray]:
    """An engine on one thread and an image of 640x480 for it."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    image_rgb = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    return Engine.load(find_model(model), "cpu", backend=backend), image_rgb


def cpu_ms(job: Callable[[], object]) -> float:
    """Processor time of this process for ``job``, which other programs hardly change."""
    started_s = time.process_time()
    job()
    return 1e3 * (time.process_time() - started_s)
