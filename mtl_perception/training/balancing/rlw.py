# SPDX-License-Identifier: Apache-2.0
"""Random loss weighting."""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mtl_perception.training.balancing._base import Problem, Settings
from mtl_perception.training.balancing._weighting import LossWeighting


class Rlw(Settings):
    """wᵢ = T · softmax of normal draws, new ones each step (Lin et al., TMLR 2022): the baseline to beat."""

    method: Literal["rlw"] = "rlw"

    def build(self, problem: Problem) -> RandomWeights:
        return RandomWeights(problem)


class RandomWeights(LossWeighting):
    """A draw depends on seed, step and task alone: the same on every process, in a resumed run, and whichever other
    tasks a batch has."""

    def weigh(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        draws = [self._draw(task) for task in values]
        weights = len(draws) * torch.softmax(torch.tensor(draws), 0)
        return dict(zip(values, weights.unbind(), strict=True))

    def _draw(self, task: str) -> float:
        return float(np.random.default_rng([self.problem.seed, self._step, zlib.crc32(task.encode())]).standard_normal())
