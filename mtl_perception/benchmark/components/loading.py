# SPDX-License-Identifier: Apache-2.0
"""How many training samples one core reads and augments a second, from files and from the cache.

    scripts/run python -m mtl_perception.benchmark.components.loading data/rooms_train --size 384x288

Times are of this process's CPU, best of several rounds, so that a busy machine disturbs them little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from mtl_perception.data.augmentation import random_appearance, random_view
from mtl_perception.data.folder import ImageFolder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", default="384x288")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    cv2.setNumThreads(1)
    whole = ImageFolder(arguments.data)
    count = min(arguments.images, len(whole))
    folder = whole.subset(np.linspace(0, len(whole) - 1, count).astype(int))
    cached = folder.cached()
    samples = [cached[i] for i in range(count)]

    def rng(i: int) -> np.random.Generator:
        return np.random.default_rng([0, i])

    def view(i: int) -> object:
        return random_view(samples[i], width, height, 1.5, rng(i))

    views = [random_view(samples[i], width, height, 1.5, rng(i)) for i in range(count)]
    stages: dict[str, Callable[[int], object]] = {
        "read files": lambda i: folder[i],
        "read cache": lambda i: cached[i],
        "crop, resize, mirror": view,
        "appearance": lambda i: random_appearance(views[i], rng(i)),
    }
    cost_ms = _cost_ms(stages, count, arguments.rounds)
    rest_ms = cost_ms["crop, resize, mirror"] + cost_ms["appearance"]
    table = Table("", "ms a sample", title=f"{arguments.data.name}, {count} images, one core, to {width}x{height}")
    for name, ms in cost_ms.items():
        table.add_row(name, f"{ms:.2f}")
    for source in ("files", "cache"):
        total_ms = cost_ms[f"read {source}"] + rest_ms
        table.add_row(f"[bold]all, from {source}", f"[bold]{total_ms:.2f}[/bold] = {1000 / total_ms:.0f} samples/s")
    ratio = (cost_ms["read files"] + rest_ms) / (cost_ms["read cache"] + rest_ms)
    table.add_row("the cache makes it", f"{ratio:.1f} times as fast")
    Console().print(table)


def _cost_ms(stages: dict[str, Callable[[int], object]], count: int, rounds: int) -> dict[str, float]:
    """Milliseconds a sample, in turns, so that whatever else the machine does meets all of them."""
    best_s = dict.fromkeys(stages, float("inf"))
    for _ in range(rounds):
        for name, stage in stages.items():
            started_s = time.process_time()
            for i in range(count):
                stage(i)
            best_s[name] = min(best_s[name], time.process_time() - started_s)
    return {name: total_s / count * 1000 for name, total_s in best_s.items()}


if __name__ == "__main__":
    main()
