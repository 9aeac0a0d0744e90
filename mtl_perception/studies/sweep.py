# SPDX-License-Identifier: Apache-2.0
"""The learning rate of each set-up of a report, chosen on validation images."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mtl_perception.studies.plan import TransferConfig
from mtl_perception.studies.runs import RunResult, TransferError


def choose_rates(config: TransferConfig, trials: Sequence[RunResult]) -> dict[str, float]:
    """By set-up, single-task networks too, the rate whose trial has the best validation score; the lower one where two are alike.

    The score is the mean over the tasks of what each task's checkpoint is chosen by.

    Raises:
        TransferError: no trial of a set-up has a score.
    """
    chosen = {}
    for name in [*(f"single {task}" for task in config.tasks), *config.setups]:
        scores = {
            trial.training["learning_rate"]: trial.validation
            for trial in trials
            if trial.setup == name and trial.validation is not None and math.isfinite(trial.validation)
        }
        if not scores:
            raise TransferError(f"no trial of '{name}' has a validation score, so no learning rate can be chosen; try lower 'rates'")
        chosen[name] = max(sorted(scores), key=scores.__getitem__)
    return chosen
