# SPDX-License-Identifier: Apache-2.0
"""Reads losses back from the device, and notices the first that is not a number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mtl_perception.training.errors import TrainingDiverged

FILES_SHOWN = 16


class LossWatch:
    """Keeps the losses of each step on the device until they are due: waiting for a GPU each step would leave it idle.

    Args:
        every: steps that may pass until they are read.
        allow_infinite_gradient: under loss scaling a step whose gradient overflows is left out, and that is as it should be.
    """

    GRADIENT = "gradient_norm"

    def __init__(self, every: int, allow_infinite_gradient: bool = False) -> None:
        self._every = every
        self._allowed = {self.GRADIENT} if allow_infinite_gradient else set()
        self._waiting: list[tuple[int, list[str], Tensor, list[str]]] = []
        self._read: list[dict[str, float]] = []

    def add(self, step: int, values: Mapping[str, Tensor], files: Sequence[str]) -> None:
        """Add a step's scalars, read some if they are due.

        Raises:
            TrainingDiverged: a value that was read is not finite; names the step, the values and the files.
        """
        stacked = torch.stack([value.detach().float() for value in values.values()])
        self._waiting.append((step, list(values), stacked, list(files)))
        if len(self._waiting) >= self._every:
            self.read()

    def read(self) -> None:
        """Read everything that is waiting.

        Raises:
            TrainingDiverged: see ``add``.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        numbers = torch.cat([stacked for _, _, stacked, _ in waiting]).tolist()
        for step, names, _, files in waiting:
            row = dict(zip(names, numbers[: len(names)], strict=True))
            numbers = numbers[len(names) :]
            bad = {name: value for name, value in row.items() if not math.isfinite(value)}
            if bad.keys() - self._allowed:
                raise TrainingDiverged(_message(step, row, bad, files))
            self._read.append({name: value for name, value in row.items() if name not in bad})

    def take_means(self) -> dict[str, float]:
        """The mean of each value over the steps that were read since the last call."""
        rows, self._read = self._read, []
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: sum(own) / len(own) for name in names if (own := [row[name] for row in rows if name in row])}


def _message(step: int, row: dict[str, float], bad: dict[str, float], files: list[str]) -> str:
    shown = ", ".join(files[:FILES_SHOWN]) + (f" and {len(files) - FILES_SHOWN} more" if len(files) > FILES_SHOWN else "")
    values = ", ".join(f"{name} {value:g}" for name, value in row.items())
    return (
        f"step {step}: {' and '.join(bad)} {'is' if len(bad) == 1 else 'are'} not finite ({values}); the batch was {shown}. "
        "Look for labels that are not finite in these files ('mtl-perception check'), or lower learning_rate"
    )
