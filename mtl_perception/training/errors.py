# SPDX-License-Identifier: Apache-2.0
"""How a training run can fail to start or to go on."""

from __future__ import annotations


class TrainingError(RuntimeError):
    """A run that can't start or go on as it is; the message says why and what to do."""


class TrainingDiverged(TrainingError):
    """A loss is no longer finite. What was saved before is kept."""


class LoaderDied(TrainingError):
    """A process that reads images ended."""
