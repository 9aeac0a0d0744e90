# SPDX-License-Identifier: Apache-2.0
"""The files of a run: its state, its last weights, and the best ones."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import torch

from mtl_perception.model.checkpoint import save_checkpoint
from mtl_perception.training.config import TrainingConfig
from mtl_perception.training.difficulty import Difficulty
from mtl_perception.training.learner import Learner
from mtl_perception.training.schedule import Schedule
from mtl_perception.training.state import RunFolder, save_state
from mtl_perception.training.validation import Validation


class Keeper:
    """Writes the files of a run, in the first process alone.

    Attributes:
        best: score, step and measures of the best validation; None before the first.
        validated: step and training time of the last validation, and its score of each task.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folder: RunFolder,
        learner: Learner,
        schedule: Schedule,
        device: torch.device,
        processes: int,
        difficulty: Difficulty | None = None,
    ) -> None:
        self._config, self._folder, self._learner, self._schedule, self._difficulty = config, folder, learner, schedule, difficulty
        self._device, self._processes = device, processes
        self.best: dict[str, Any] | None = None
        self.validated: dict[str, Any] = {"step": 0, "spent_s": 0.0, "scores": {}}

    def load(self, state: dict[str, Any]) -> list[str]:
        """Go on from a state.

        Returns:
            What could not be taken over, in sentences.
        """
        self._learner.load_state_dict(state)
        self._schedule.load_state_dict(state["schedule"])
        self.best, self.validated = state["best"], state["validated"]
        if self._difficulty is None or self._difficulty.load_state_dict(state["difficulty"], self._schedule.samples):
            return []
        return ["sampling: there are other images than when this run began, so what they cost is measured anew"]

    def save(self) -> None:
        """Write what is needed to go on, and the running average as it is now.

        Raises:
            OSError: a file can't be written; the one that was there before is kept.
        """
        self._write_checkpoint(self._config.output if self._config.validation is None else self._folder.last)
        self.save_state()

    def save_state(self) -> None:
        """Write what is needed to go on.

        Raises:
            OSError: it can't be written; the state that was there before is kept.
        """
        state = {
            **self._learner.state_dict(),
            "card": self._learner.card.model_dump_json(),
            "schedule": self._schedule.state_dict(),
            "best": self.best,
            "validated": self.validated,
            "difficulty": None if self._difficulty is None else self._difficulty.state_dict(),
        }
        save_state(self._folder.state, state, self._config)

    def offer(self, found: Validation) -> bool:
        """Keep the running average as the checkpoint if no validation was better. Whether it is.

        Raises:
            OSError: it can't be written; the best one before is kept, on the disk and in mind.
        """
        if self.best is not None and found.score <= self.best["score"]:
            return False
        before = self.best
        self.best = {"score": found.score, "step": self._schedule.step, "measures": found.measures}
        try:
            self._write_checkpoint(self._config.output)
        except OSError:
            self.best = before
            raise
        return True

    def _write_checkpoint(self, path: Path) -> None:
        card, schedule = self._learner.card, self._schedule
        training = {
            **card.training,
            "steps": schedule.step,
            "samples": schedule.samples,
            "minutes": round(schedule.spent_s / 60, 3),
            "device": _device_name(self._device) + (f", {self._processes} processes" if self._processes > 1 else ""),
            "precision": self._learner.precision.name,
            "memory_mb": round(_peak_memory_mb(self._device)),
        }
        if self.best is not None and path == self._config.output:
            training["validation"] = self.best
        save_checkpoint(path, self._learner.averaged_network(), card.model_copy(update={"training": training}))


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return "cpu, 1 thread" if threads == 1 else f"cpu, {threads} threads"


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
