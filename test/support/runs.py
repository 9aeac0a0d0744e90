# SPDX-License-Identifier: Apache-2.0
"""Small real training runs on the shapes data set."""

from __future__ import annotations

import io
from pathlib import Path

import torch
import yaml
from rich.console import Console

from mtl_perception.training import TrainingConfig, read_config, train

SMALL = {"until": 1.0, "width": 64, "height": 64, "batch_size": 4, "max_zoom": 1.2}


def write_config(folder: Path, **changes: object) -> Path:
    """A configuration file for ``folder``/shapes; None removes a key."""
    values = {
        "name": "shapes",
        "variant": "lite",
        "data": str(folder / "shapes"),
        "output": str(folder / "shapes.safetensors"),
        "steps": 4,
        "stages": [SMALL],
        "warmup_steps": 2,
        "ema_decay": 0.95,
        "workers": 0,
        "device": "cpu",
        "log_every_steps": 1,
        "tensorboard": False,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in {**values, **changes}.items() if v is not None}))
    return path


def small_config(folder: Path, **changes: object) -> TrainingConfig:
    return read_config(write_config(folder, **changes))


def spoken(config: TrainingConfig, restart: bool = False) -> str:
    """What a run says."""
    text = io.StringIO()
    train(config, Console(file=text, width=300), restart)
    return text.getvalue()


def weights_of(config: TrainingConfig) -> dict[str, torch.Tensor]:
    """The network's last weights."""
    return torch.load(config.folder / "state.pt", weights_only=True)["network"]
