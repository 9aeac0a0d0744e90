# SPDX-License-Identifier: Apache-2.0
"""The endless stream of training batches: which samples, at which size, in which order, read by helper processes.

Sample number i of a run is a function of the seed and i, whoever reads it: so a resumed run goes on with the very sample
after the last one trained on, and any number of processes sees the samples that one would see.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.reduction import DupFd, ForkingPickler
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from mtl_perception.core.interrupts import end_with_parent, kept_from_children, leave_to_parent
from mtl_perception.data.augmentation import random_appearance, random_view
from mtl_perception.data.batch import Batch, collate
from mtl_perception.data.folder import DataError
from mtl_perception.data.mixed import MixedData
from mtl_perception.data.mosaic import TILES, can_be_tiled, mosaic
from mtl_perception.data.recoloring import recolored
from mtl_perception.tasks import Sample, Task
from mtl_perception.training.config import ConfigError, Stage, TrainingConfig
from mtl_perception.training.difficulty import Difficulty
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.errors import LoaderDied
from mtl_perception.training.schedule import Schedule

_AFTER_QUEUES = -100
"""Priority of a finaliser; that which waits until a queue is written has -5."""
SHARED_MEMORY = Path("/dev/shm")
BYTES_PER_PIXEL = 8
"""Of a batch: colour, class and depth."""


@dataclass(frozen=True)
class Part:
    """Samples that go through the network of one process together.

    Attributes:
        stage: its number.
        first, count: numbers of the samples.
        images_in_step: of all parts of all processes.
        places: the folder of each sample, and the image in it; None: those that ``MixedData`` draws.
    """

    stage: int
    first: int
    count: int
    images_in_step: int
    places: tuple[tuple[int, int], ...] | None = None


class Plan(Sampler[Part]):
    """The parts of one process, step after step, from where ``schedule`` stands until its end.

    Args:
        difficulty: decides which images the samples are; None: ``MixedData`` does.
    """

    def __init__(self, config: TrainingConfig, schedule: Schedule, ranks: Ranks, difficulty: Difficulty | None = None) -> None:
        self._config, self._schedule, self._ranks, self._difficulty = config, schedule, ranks, difficulty
        self.handed_out: deque[Part] = deque()

    def __iter__(self) -> Iterator[Part]:
        step, position = self._schedule.step, self._schedule.samples
        while (number := self._schedule.stage_at(step)) is not None:
            size = self._config.stages[number].batch_size
            count = size // (self._config.gradient_accumulation * self._ranks.size)
            for part in range(self._config.gradient_accumulation):
                first = position + (part * self._ranks.size + self._ranks.rank) * count
                places = None if self._difficulty is None else tuple(self._difficulty.places(first, count))
                self.handed_out.append(Part(number, first, count, size, places))
                yield self.handed_out[-1]
            step, position = step + 1, position + size


class _Batches(Dataset):
    """A ``Part`` as a batch. What can't be read comes back as a value, because an exception that leaves a helper process
    arrives with that process's whole trace as its text."""

    def __init__(self, samples: MixedData, stages: Sequence[Stage], tasks: Mapping[str, Task], seed: int) -> None:
        self.samples, self.stages, self.tasks, self.seed = samples, stages, tasks, seed
        self._handed_over: list[BinaryIO] = []

    def __reduce__(self) -> tuple[Callable[..., _Batches], tuple[Any]]:
        """For a helper process: by a file in memory. The pipe that multiprocessing writes to holds 64 KiB, and with more it waits for
        ever, deaf to signals, for a process that ended before it read."""
        file = os.fdopen(os.memfd_create("samples"), "wb")
        self._handed_over.append(file)
        ForkingPickler(file).dump((self.samples, self.stages, self.tasks, self.seed))
        file.flush()
        return _batches_from, (DupFd(file.fileno()),)

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """Inside, helper processes start."""
        try:
            yield
        finally:
            while self._handed_over:
                self._handed_over.pop().close()

    def __getitem__(self, part: Part) -> Batch | Exception:
        try:
            places = part.places or [self.samples.locate(i) for i in range(part.first, part.first + part.count)]
            return collate([self._view(part.first + i, place, self.stages[part.stage]) for i, place in enumerate(places)], self.tasks)
        except (DataError, OSError) as error:
            return error

    def _view(self, i: int, place: tuple[int, int], stage: Stage) -> Sample:
        """Sample ``i``, the image at ``place``, as it is augmented."""
        rng = np.random.default_rng([self.seed, 1, i])
        folder, row = self.samples.folders[place[0]], place[1]
        if stage.mosaic and can_be_tiled(folder.entries[row].tasks) and rng.uniform() < stage.mosaic:
            viewed = mosaic(self._neighbours(place, rng), stage.width, stage.height, stage.max_zoom, rng)
        else:
            viewed = random_view(folder[row], stage.width, stage.height, stage.max_zoom, rng, stage.whole)
        if stage.recolored and rng.uniform() < stage.recolored:
            viewed = recolored(viewed, rng)
        return random_appearance(viewed, rng, stage.appearance)

    def _neighbours(self, place: tuple[int, int], rng: np.random.Generator) -> list[Sample]:
        """The image at ``place``, and three others of its folder that are labelled for the same tasks."""
        folder = self.samples.folders[place[0]]
        tasks = set(folder.entries[place[1]].tasks)
        alike = [row for row, entry in enumerate(folder.entries) if set(entry.tasks) == tasks]
        return [folder[row] for row in (place[1], *rng.choice(alike, TILES - 1).tolist())]


def _batches_from(descriptor: Any) -> _Batches:
    with os.fdopen(descriptor.detach(), "rb") as file:
        file.seek(0)
        return _Batches(*pickle.load(file))


class Stream:
    """Iterates over steps: for each its parts and their batches, on the host.

    Args:
        difficulty: decides which images are drawn; None: uniformly.

    Raises:
        DataError: a sample can't be read; the message names its file.
    """

    def __init__(
        self,
        config: TrainingConfig,
        samples: MixedData,
        tasks: Mapping[str, Task],
        schedule: Schedule,
        ranks: Ranks,
        pinned: bool,
        difficulty: Difficulty | None = None,
    ) -> None:
        self._parts = config.gradient_accumulation
        self._plan = Plan(config, schedule, ranks, difficulty)
        self._batches = _Batches(samples, config.stages, tasks, config.seed)
        self._loader = DataLoader(
            self._batches,
            batch_size=None,
            sampler=self._plan,
            num_workers=config.workers,
            prefetch_factor=config.prefetch if config.workers else None,
            # A forked worker inherits OpenCV's thread pool without its threads and waits for them for ever.
            multiprocessing_context="spawn" if config.workers else None,
            collate_fn=_as_it_is,
            worker_init_fn=_start_worker,
            pin_memory=pinned,
            # Else a run that goes on draws once more from what networks with dropped paths draw from.
            generator=torch.Generator(),
        )

    def __iter__(self) -> Iterator[tuple[list[Part], list[Batch]]]:
        with kept_from_children(), self._batches.handed_over():
            batches: Iterator[Batch | Exception] | None = iter(self._loader)
        try:
            while True:
                step = [batch for _, batch in zip(range(self._parts), batches)]
                if len(step) < self._parts:
                    return
                for batch in step:
                    if isinstance(batch, Exception):
                        raise batch
                yield [self._plan.handed_out.popleft() for _ in step], step
        finally:
            # The helper processes end with the iterator, which the trace of an exception would keep.
            batches = None


def check_batch_sizes(config: TrainingConfig, ranks: Ranks) -> None:
    """Raises:
    ConfigError: a batch can't be cut into equal parts for all processes.
    """
    parts = config.gradient_accumulation * ranks.size
    for stage in config.stages:
        if stage.batch_size % parts:
            raise ConfigError(
                f"batch_size {stage.batch_size} can't be shared by {ranks.size} processes in {config.gradient_accumulation} equal parts each; "
                f"expected a multiple of {parts}"
            )


def check_shared_memory(config: TrainingConfig) -> None:
    """Raises:
    ConfigError: there is too little of the shared memory that helper processes hand batches over in, as in a container.
    """
    if not config.workers or not SHARED_MEMORY.is_dir():
        return
    largest = max(stage.width * stage.height * stage.batch_size for stage in config.stages) // config.gradient_accumulation
    needed = largest * BYTES_PER_PIXEL * config.workers * config.prefetch
    free = shutil.disk_usage(SHARED_MEMORY).free
    if needed > free:
        raise ConfigError(
            f"{config.workers} workers that read {config.prefetch} batches ahead need {needed / 2**20:.0f} MiB in {SHARED_MEMORY}, "
            f"{free / 2**20:.0f} MiB are free; lower 'prefetch' or 'workers', or start the container with a larger --shm-size"
        )


@contextmanager
def loader_deaths_named() -> Iterator[None]:
    """torch notices the end of a helper process wherever the program is, as a RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise LoaderDied(
            f"a process that reads images ended ({error}); if it printed nothing above, memory may have run out: lower 'workers' or 'prefetch'"
        ) from error


def _as_it_is(batch: Batch | Exception) -> Batch | Exception:
    return batch


def _start_worker(_: int) -> None:
    import cv2

    leave_to_parent()
    end_with_parent()  # torch's own watch does not notice a parent that ends before it begins
    # Once its batches are handed over. Taking the interpreter down with native threads in it aborts now and then
    # ("terminate called without an active exception"), which torch then reports as a dead worker.
    Finalize(None, os._exit, args=(0,), exitpriority=_AFTER_QUEUES)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
