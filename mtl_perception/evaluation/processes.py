# SPDX-License-Identifier: Apache-2.0
"""Engines in several processes, whose answers are scored in one."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Scene
from mtl_perception.core.workers import Workers, in_order
from mtl_perception.evaluation.scenes import WEAKEST_SCORE
from mtl_perception.inference.engine import Engine


class EngineSettings(NamedTuple):
    """The arguments of ``Engine.load``."""

    path: Path
    device: str
    precision: str
    backend: str

    def load(self) -> Engine:
        """The engine. Raises what ``Engine.load`` does; an exported file chooses precision and backend for itself."""
        if self.path.suffix.lower() == ".onnx":
            return Engine.load(self.path, self.device)
        return Engine.load(self.path, self.device, self.precision, self.backend)


class _Look(NamedTuple):
    settings: EngineSettings
    image_rgb: np.ndarray
    intrinsics: Intrinsics | None


def scenes_of(settings: EngineSettings, workers: Workers, images: Iterable[tuple[np.ndarray, Intrinsics | None]]) -> Iterator[Scene]:
    """Yields what is found in each of ``images``, in their order, with boxes down to ``WEAKEST_SCORE``."""
    return in_order(_look, (_Look(settings, image, intrinsics) for image, intrinsics in images), workers)


def _look(look: _Look) -> Scene:
    return _engine(look.settings)(look.image_rgb, look.intrinsics)


@functools.lru_cache(maxsize=1)
def _engine(settings: EngineSettings) -> Engine:
    engine = settings.load()
    engine.score_threshold = WEAKEST_SCORE
    return engine
