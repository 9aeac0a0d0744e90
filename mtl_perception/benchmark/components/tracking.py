# SPDX-License-Identifier: Apache-2.0
"""Costs of tracking a hundred objects, as a share of the time of the network.

    scripts/run python -m mtl_perception.benchmark.components.tracking [--model lite] [--backend torch] [--rounds 30]

Engine and tracker take turns in one process, on one thread; what counts is the processor's time. The objects, of one class
and of fourteen, are seen in another order in each frame by a camera that turns; how they look is read off an image of 640×480, a
patch for each. The bar: at most 3 % of the engine's time.
"""

from __future__ import annotations

import sys

import numpy as np

from mtl_perception.benchmark.components.beside_network import cpu_ms, open_engine, read_options
from mtl_perception.core.scene import Boxes3D, Detections
from mtl_perception.tracking import Tracker, TrackerSettings
from mtl_perception.tracking.appearance import looks

OBJECTS, BAR = 100, 0.03


def main() -> int:
    options = read_options(__doc__, rounds=30)
    engine, image_rgb = open_engine(options.model, options.backend)
    films = {(classes, are_compared): Film(classes, are_compared) for classes in (14, 1) for are_compared in (True, False)}
    network_ms, tracker_ms = [], {kind: [] for kind in films}
    for _ in range(options.rounds + 3):
        network_ms.append(cpu_ms(lambda: engine(image_rgb)))
        for kind, film in films.items():
            tracker_ms[kind].append(cpu_ms(film.next_frame))
    network, least = (float(of(network_ms[3:])) for of in (np.median, np.min))
    print(f"{options.model}, 640x480, one thread: {network:.1f} ms of the processor, at least {least:.1f}")
    worst = 0.0
    for (classes, are_compared), values in tracker_ms.items():
        share = float(np.median(values[3:])) / network
        worst = max(worst, share)
        print(
            f"{OBJECTS} tracks of {classes:2d} classes, looks {'compared' if are_compared else 'left out'}: "
            f"{np.median(values[3:]):.2f} ms, {share:.1%} (bar {BAR:.0%}); "
            f"at least {np.min(values[3:]):.2f} ms, {np.min(values[3:]) / least:.1%}"
        )
    return int(worst > BAR)


class Film:
    """Objects before a camera that turns, as a detector and 3D boxes would see them."""

    def __init__(self, classes: int, are_compared: bool) -> None:
        self.rng, self.frame, self.are_compared = np.random.default_rng(1), 0, are_compared
        self.tracker = Tracker() if are_compared else Tracker(TrackerSettings(appearance=0.0))
        self.places = self.rng.uniform((-3, -1, 1.5), (3, 1, 6), (OBJECTS, 3))
        self.class_ids = self.rng.integers(0, classes, OBJECTS)
        self.colours = self.rng.integers(0, 256, (OBJECTS, 3), np.uint8)
        # Made beforehand, for only the tracker is timed; forth and back, so that it goes on for ever.
        self._seen = [self._look(0.15 * np.sin(0.2 * np.pi * k)) for k in range(10)]

    def next_frame(self) -> None:
        image_rgb, detections, boxes_3d, pose = self._seen[self.frame % len(self._seen)]
        described = looks(image_rgb, detections.boxes_xyxy) if self.are_compared else None
        self.tracker.update(0.1 * self.frame, detections, boxes_3d, pose, looks=described)
        self.frame += 1

    def _look(self, yaw: float) -> tuple[np.ndarray, Detections, Boxes3D, np.ndarray]:
        order = self.rng.permutation(OBJECTS)
        pose = np.eye(4)
        pose[:3, :3] = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
        places = self.places[order] @ pose[:3, :3] + self.rng.normal(0, 0.03, self.places.shape)
        middle, half = places[:, :2] / places[:, 2:] * 450 + (320, 240), 60 / places[:, 2:]
        boxes = np.concatenate([middle - half, middle + half], 1).astype(np.float32)
        detections = Detections(boxes, np.full(OBJECTS, 0.8, np.float32), self.class_ids[order])
        noise = np.tile(np.diag((0.02, 0.02, 0.1)) ** 2, (OBJECTS, 1, 1))
        upright = np.tile((0.0, 0, 0, 1), (OBJECTS, 1))
        boxes_3d = Boxes3D(places, np.full((OBJECTS, 3), 0.2), upright, noise, np.ones(OBJECTS, bool))
        image_rgb = self.rng.integers(0, 256, (480, 640, 3), np.uint8)
        for (x1, y1, x2, y2), colour in zip(boxes.clip(0, (640, 480) * 2).astype(int), self.colours[order]):
            image_rgb[y1:y2, x1:x2] = colour
        return image_rgb, detections, boxes_3d, pose


if __name__ == "__main__":
    sys.exit(main())
