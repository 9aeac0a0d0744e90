# SPDX-License-Identifier: Apache-2.0
"""How much each image costs the network, and which images are drawn for that.

Sample number i of a run must be the same whoever reads it and however far ahead, also when the run goes on after a kill. So draws go by
rounds: what is known at the beginning of one decides the draws of the next.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from mtl_perception.data.batch import Batch
from mtl_perception.data.mixed import MixedData
from mtl_perception.tasks import Task
from mtl_perception.training.config import ConfigError, TrainingConfig
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.sampling import LossRank

STEPS_AHEAD = 64
"""Least length of a round in steps: the helper processes read fewer ahead."""
PLAIN_ROUNDS = 2
"""So many are drawn uniformly: in the first nothing is known, and the second is being read ahead when it ends."""


@torch.no_grad()
def image_losses(raw: Mapping[str, dict[str, Tensor]], batch: Batch, tasks: Mapping[str, Task], present: Sequence[str]) -> Tensor:
    """(B, len(tasks)) the loss of each image by itself, NaN where it is not labelled for the task, or the task is not ``present``.

    Without terms that may be negative, such as likelihoods, which say nothing of how hard an image is.
    """
    found = batch.focal_px.new_full((len(batch), len(tasks)), float("nan"))
    for column, (name, task) in enumerate(tasks.items()):
        if name not in present:
            continue
        for i in range(len(batch)):
            one = slice(i, i + 1)
            targets = {key: value[one] for key, value in batch.targets[name].items()}
            terms = task.loss(task.raw_of_image(raw[name], i), targets, batch.labelled[name][one], batch.focal_px[one]).values()
            total = sum(
                term.weight * term.total / torch.where(term.count > 0, term.count, 1.0).clamp(min=term.least_count)
                for term in terms
                if term.balanced
            )
            found[i, column] = torch.where(batch.labelled[name][i], total, float("nan"))
    return found


class _Part(Protocol):
    """Numbers of samples that went through the network together."""

    first: int
    count: int
    images_in_step: int


class _Noted(NamedTuple):
    first: int
    values: Tensor
    known: Tensor


class Difficulty:
    """The smoothed losses of all images, and the draws that follow from them. Every process of a run holds the same.

    Args:
        samples: what would be drawn uniformly; folders keep their shares.
        tasks: as columns of losses.

    Raises:
        ConfigError: the helper processes would read further ahead than a round goes.
    """

    def __init__(self, settings: LossRank, samples: MixedData, config: TrainingConfig, ranks: Ranks) -> None:
        self._settings, self._samples, self._seed, self._ranks = settings, samples, config.seed, ranks
        sizes = [len(folder) for folder in samples.folders]
        self._starts = np.cumsum([0, *sizes])
        self._losses = np.full((self._starts[-1], len(config.tasks)), np.nan, np.float32)
        self.round = max(int(self._starts[-1]), STEPS_AHEAD * max(stage.batch_size for stage in config.stages))
        self._tables: dict[int, np.ndarray] = {}
        self._last = PLAIN_ROUNDS - 1
        self._pending: list[_Noted] = []
        if config.workers * config.prefetch >= STEPS_AHEAD:
            raise ConfigError(
                f"sampling 'loss_rank': {config.workers} workers that read {config.prefetch} batches ahead are {config.workers * config.prefetch} "
                f"steps ahead of what is known, expected fewer than {STEPS_AHEAD}; lower 'prefetch' or 'workers'"
            )

    def remarks(self, steps: int | None, batch_size: int) -> list[str]:
        """Returns what a user should know before a run of so many ``steps``, in sentences."""
        begins = PLAIN_ROUNDS * self.round // batch_size
        if steps is None or begins < steps / 2:
            return []
        never = "never acts" if begins >= steps else "hardly acts"
        return [f"sampling: 'loss_rank' {never} in this run: it begins after {begins} steps, the run has {steps}"]

    def places(self, first: int, count: int) -> list[tuple[int, int]]:
        """The folder, and the image in it, that each of the samples ``first`` to ``first + count`` is."""
        return [self._place(i) for i in range(first, first + count)]

    def _place(self, i: int) -> tuple[int, int]:
        number = i // self.round
        if number < PLAIN_ROUNDS or number not in self._tables:
            return self._samples.locate(i)
        folder, draw = self._samples.draw(i)
        begin = self._samples.draws_before(number * self.round)[folder]
        return folder, int(self._order(number, folder)[draw - begin])

    def note(self, first: int, parts: Sequence[_Part], losses: Sequence[Tensor]) -> None:
        """Take in what the images of a step cost.

        Args:
            first: number of the step's first sample, over all processes.
            losses: of each of ``parts`` what ``image_losses`` returned.
        """
        size = parts[0].images_in_step
        values = losses[0].new_zeros(size, self._losses.shape[1])
        known = torch.zeros_like(values)
        for part, found in zip(parts, losses, strict=True):
            at = slice(part.first - first, part.first - first + part.count)
            is_known = found.isfinite()
            values[at], known[at] = torch.where(is_known, found, 0.0), is_known.float()
        self._ranks.sum_([values, known])
        self._pending.append(_Noted(first, values, known))  # read when a round ends: a GPU need not be waited for at each step
        while self._last < (first + size) // self.round + 1:
            self._read()
            self._last += 1
            self._tables[self._last] = _difficulty(self._losses)
            self._tables.pop(self._last - 3, None)

    def _read(self) -> None:
        keep = self._settings.smoothing
        for first, values, known in self._pending:
            for offset, (loss, is_known) in enumerate(zip(values.cpu().numpy(), known.cpu().numpy() > 0, strict=True)):
                folder, row = self._place(first + offset)
                before = self._losses[self._starts[folder] + row]
                smoothed = np.where(np.isnan(before), loss, keep * before + (1 - keep) * loss)
                before[is_known] = smoothed[is_known]
        self._pending.clear()

    def _order(self, number: int, folder: int) -> np.ndarray:
        start, end = self._starts[folder : folder + 2]
        table = self._tables[number][start:end]
        begin, past = (self._samples.draws_before(edge * self.round)[folder] for edge in (number, number + 1))
        return _drawn(table.tobytes(), past - begin, self._settings.pressure, (self._seed, 2, folder, number))

    def state_dict(self) -> dict[str, Any]:
        """All that is known: tensors, numbers and containers of them."""
        self._read()
        tables = {number: torch.from_numpy(table) for number, table in self._tables.items()}
        return {"losses": torch.from_numpy(self._losses.copy()), "tables": tables, "last": self._last, "round": self.round}

    def load_state_dict(self, state: Mapping[str, Any], samples: int) -> bool:
        """Go on from what was known, with sample number ``samples``. Whether it is of these images: what is known of other data is left, and
        draws are uniform again until the rounds that are read ahead by now are over."""
        if tuple(state["losses"].shape) != self._losses.shape or state["round"] != self.round:
            self._last = samples // self.round + PLAIN_ROUNDS - 1
            return False
        self._losses = state["losses"].numpy().copy()
        self._tables = {number: table.numpy() for number, table in state["tables"].items()}
        self._last = state["last"]
        return True


def _difficulty(losses: np.ndarray) -> np.ndarray:
    """(N,) float32 from (N, tasks): the mean over the tasks, of those that are known, of the rank of an image among all, 0 for the
    least loss to 1. Of an image of which nothing is known yet 2: it is drawn to be measured."""
    ranks = np.full(losses.shape, np.nan, np.float32)
    for column in range(losses.shape[1]):
        rows = np.flatnonzero(~np.isnan(losses[:, column]))
        _, which, counts = np.unique(losses[rows, column], return_inverse=True, return_counts=True)
        shared = np.cumsum(counts) - (counts + 1) / 2  # equal losses share the mean of their ranks
        ranks[rows, column] = shared[which] / max(1, len(rows) - 1)
    known = ~np.isnan(ranks)
    mean = np.where(known, ranks, 0).sum(1) / np.maximum(known.sum(1), 1)
    return np.where(known.any(1), mean, 2).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _drawn(table: bytes, draws: int, pressure: float, seed: tuple[int, ...]) -> np.ndarray:
    """(draws,) rows of a folder in the order in which they are drawn, from how hard each is.

    Systematic resampling: an image comes as often as it should, up to a whole number.
    """
    difficulty = np.frombuffer(table, np.float32)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(difficulty))
    from_hardest = np.empty(len(rows))
    from_hardest[np.argsort(-difficulty, kind="stable")] = np.arange(len(rows)) / max(1, len(rows) - 1)
    wanted = pressure ** -from_hardest[rows]
    edges = np.cumsum(wanted) / wanted.sum() * draws
    edges[-1] = draws
    chosen = rows[np.searchsorted(edges, np.arange(draws) + rng.random(), side="right").clip(max=len(rows) - 1)]
    return rng.permutation(chosen)
