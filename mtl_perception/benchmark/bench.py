# SPDX-License-Identifier: Apache-2.0
"""The interface of every section."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mtl_perception.benchmark.networks import EngineSpec, write_network
from mtl_perception.benchmark.result import Part
from mtl_perception.benchmark.settings import Settings, Size
from mtl_perception.benchmark.timing import OnStep
from mtl_perception.core.resources import find_model


class Unavailable(Exception):
    """Something that a measurement needs is not installed or not there; the message says what to do."""


@dataclass(frozen=True)
class Measurement:
    """One part of a section.

    Attributes:
        steps: that ``run`` reports.
        run: raises ``Unavailable`` where it can't.
    """

    name: str
    steps: int
    run: Callable[[OnStep], Part]


@dataclass(frozen=True)
class Bench:
    """Settings, and a folder for the checkpoints of networks that are made for the benchmark."""

    settings: Settings
    folder: Path

    @property
    def model_name(self) -> str:
        """Of the settings' model, for tables."""
        return Path(self.settings.model).stem

    def shipped(self, image: Size | None = None) -> EngineSpec:
        """The model of the settings as it is."""
        return self._spec(find_model(self.settings.model), image)

    def resized(self, image: Size) -> EngineSpec:
        """The model of the settings with an input as large as the camera's image."""
        return self._spec(write_network(self.folder, self.settings.model, image), image)

    def variant(self, name: str, *tasks: str) -> EngineSpec:
        """An architecture, for these tasks or all, with an input as large as the camera's image."""
        return self._spec(write_network(self.folder, name, self.settings.size, tasks))

    def each_variant(self, run: Callable[[Bench, str, OnStep], Part]) -> list[Measurement]:
        """A measurement for each architecture of the settings, which reports a step each round."""
        rounds = self.settings.rounds
        return [Measurement(name, rounds, lambda on_step, v=name: run(self, v, on_step)) for name in self.settings.variants]

    def _spec(self, path: Path, image: Size | None = None) -> EngineSpec:
        chosen = self.settings
        return EngineSpec(
            model=str(path),
            device=chosen.device,
            precision=chosen.precision,
            backend=chosen.backend,
            image=image or chosen.size,
        )
