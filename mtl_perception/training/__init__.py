# SPDX-License-Identifier: Apache-2.0
"""Training: configuration and the loop."""

from mtl_perception.training.config import ConfigError, TrainingConfig, read_config
from mtl_perception.training.errors import TrainingDiverged, TrainingError
from mtl_perception.training.loop import train

__all__ = ["ConfigError", "TrainingConfig", "TrainingDiverged", "TrainingError", "read_config", "train"]
