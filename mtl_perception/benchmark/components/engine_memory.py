# SPDX-License-Identifier: Apache-2.0
"""Does an engine's memory stay flat? Many frames of cameras and heads that come and go, as on a robot that runs for days.

scripts/run python -m mtl_perception.benchmark.components.engine_memory --frames 10000
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.resources import find_model
from mtl_perception.inference import Engine

CAMERAS = [(160, 120), (128, 96), (176, 96)]
HEADS = [None, ("depth",), ("detection", "segmentation")]
SETTLED = 0.1
"""Share of the frames after which everything has been seen once and memory should not grow any more."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--model", default="lite")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--backend", default="auto")
    options = parser.parse_args()
    console = Console()
    engine = Engine.load(find_model(options.model), options.device, backend=options.backend)
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (height, width, 3), dtype=np.uint8) for width, height in CAMERAS]
    cameras = [Intrinsics(width, height, 100.0, 100.0, width / 2, height / 2) for width, height in CAMERAS]
    settled_at, settled_mb = int(options.frames * SETTLED), 0.0
    for frame in track(range(options.frames), console=console, description="frames"):
        camera = frame // 7 % len(CAMERAS)
        engine(images[camera], cameras[camera], HEADS[frame // 50 % len(HEADS)])
        if frame == settled_at:
            settled_mb = used_mb(engine.device)
    end_mb = used_mb(engine.device)
    console.print(
        f"{engine.card.name}, {engine.backend} on {engine.device} in {engine.precision}: {settled_mb:.0f} MB after {settled_at} frames, "
        f"{end_mb:.0f} MB after {options.frames} ({end_mb - settled_mb:+.1f} MB)"
    )


def used_mb(device: str) -> float:
    """Memory of this process on the device."""
    if device.startswith("cuda"):
        return torch.cuda.memory_reserved(device) / 2**20
    resident = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(resident.split()[1]) / 1024


if __name__ == "__main__":
    main()
