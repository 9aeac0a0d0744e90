# SPDX-License-Identifier: Apache-2.0
"""All that a run needs to go on after it was killed, in one file."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from mtl_perception.core.files import write_atomically
from mtl_perception.training.config import TrainingConfig
from mtl_perception.training.errors import TrainingError

STATE_VERSION = 1

FREE_KEYS = {"device", "precision", "workers", "prefetch", "cache", "threads", "save_every_minutes", "log_every_steps", "tensorboard"}
"""Keys that may differ when a run goes on: they change how it is run, not its result."""


class RunFolder:
    """Where a run keeps what it needs to go on, beside its checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state.pt"
        self.last = path / "last.safetensors"
        self.tensorboard = path / "tensorboard"
        self.validations = path / "validations.jsonl"

    def clear(self) -> None:
        """Remove what an earlier run left."""
        self.state.unlink(missing_ok=True)
        self.last.unlink(missing_ok=True)
        self.validations.unlink(missing_ok=True)
        shutil.rmtree(self.tensorboard, ignore_errors=True)


def save_state(path: Path, state: dict[str, Any], config: TrainingConfig) -> None:
    """Write ``state`` (tensors, numbers, strings and containers of them) and the configuration it belongs to.

    Raises:
        OSError: it can't be written; the state that was there before is kept.
    """
    content = io.BytesIO()
    torch.save({"version": STATE_VERSION, "config": json.loads(config.model_dump_json()), **state}, content)
    write_atomically(path, content.getvalue(), durable=True)


def note_validation(path: Path, step: int, of_tasks: dict[str, float]) -> None:
    """Append the scores of one validation, a JSON line each.

    Raises:
        OSError: it can't be written.
    """
    line = json.dumps({"step": step, "scores": of_tasks}) + "\n"
    with path.open("ab+") as file:
        # Behind a line that was cut off, as by a full disk, in one of its own.
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else "\n" + line
        file.write(line.encode())


def read_validations(path: Path) -> list[tuple[int, dict[str, float]]]:
    """Step and scores by task of what ``note_validation`` wrote, by rising step; what a run that went on did again counts once.

    A line that a kill cut off is left out; so is all where there is no file.
    """
    found: dict[int, dict[str, float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        found[entry["step"]] = entry["scores"]
    return sorted(found.items())


def load_state(path: Path, config: TrainingConfig) -> dict[str, Any]:
    """A state that ``save_state`` wrote; nothing in it is executed.

    Raises:
        TrainingError: the file can't be read, or belongs to another configuration; names what differs.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        version = state["version"]
    except Exception as error:  # what torch raises for a damaged file depends on where the damage is
        raise TrainingError(f"{path} can't be read ({error}); start over with --restart") from error
    if version != STATE_VERSION:
        raise TrainingError(f"{path} has version {version}, this mtl_perception reads {STATE_VERSION}; start over with --restart")
    differing = list(_differences(with_defaults(state["config"]), json.loads(config.model_dump_json())))
    if differing:
        raise TrainingError(
            f"{path.parent} holds a run with another configuration ({'; '.join(differing)}); start over with --restart, "
            "choose another 'output', or take the changes back"
        )
    return state


def with_defaults(content: dict[str, Any]) -> dict[str, Any]:
    """A configuration of an earlier version, with the keys that have come since."""
    try:
        return json.loads(TrainingConfig.model_validate(content).model_dump_json())
    except ValidationError:
        return content


def _differences(before: dict[str, Any], now: dict[str, Any], under: str = "") -> Iterator[str]:
    for key in sorted(before.keys() | now.keys()):
        name = f"{under}{key}"
        if name in FREE_KEYS:
            continue
        a, b = before.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from _differences(a, b, f"{name}.")
        elif a != b:
            yield f"{name}: {json.dumps(a)} → {json.dumps(b)}"
