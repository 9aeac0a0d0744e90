# SPDX-License-Identifier: Apache-2.0
"""Which channels of the shared features each task reads, and trains, by a report of what they carry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from mtl_perception.core.validation_text import problems
from mtl_perception.core.yaml_file import ConfigError
from mtl_perception.model.network import Features, MultiTaskNetwork


class ChannelControl(BaseModel):
    """Hold tasks to the channels of the neck's output that a channel report gives them.

    Attributes:
        report: channels.json, which 'mtl-perception report channels' wrote about the network that this run starts from.
        mode: ``mask`` hides from a task the channels that belong to another one. ``freeze`` lets it read them and keeps its gradient out of
            them. ``reweight`` multiplies each channel by the task's part in what it carries, between ``least`` and 1/``least``.
            The checkpoint holds what ``mask`` and ``reweight`` did as part of its architecture.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    report: Path
    mode: Literal["mask", "freeze", "reweight"]
    least: float = Field(0.5, gt=0, le=1)


class ChannelReport(BaseModel):
    """Which channels of a network's neck carry which task.

    Attributes:
        network: name of the network.
        fingerprint: of the weights under the heads, as ``trunk_fingerprint`` makes it.
        importance: by task, of each channel the share by which its loss rises without it.
        channels: task, "shared" or "unused" → its channels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    fingerprint: str
    importance: dict[str, list[float]] = Field(min_length=1)
    channels: dict[str, list[int]]

    def of_others(self, task: str) -> list[int]:
        """Returns the channels that belong to another task than ``task``."""
        return sorted(c for name, channels in self.channels.items() if name not in (task, "shared", "unused") for c in channels)


def read_channel_report(path: Path, tasks: Sequence[str], channels: int) -> ChannelReport:
    """The report, for a network with ``tasks`` and so many ``channels``.

    Raises:
        ConfigError: it can't be read, or is of a network with other tasks or channels.
    """
    try:
        report = ChannelReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"channel_control: {path} can't be read ({error.strerror}); make it with 'mtl-perception report channels'"
        ) from None
    except ValidationError as error:
        told = problems(error, ChannelReport)
        raise ConfigError(f"channel_control: {path} is no channel report ({told}); make it with 'mtl-perception report channels'") from None
    if sorted(report.importance) != sorted(tasks):
        raise ConfigError(f"channel_control: {path} is of the tasks {', '.join(report.importance)}, this run trains {', '.join(tasks)}")
    counts = {len(values) for values in report.importance.values()}
    named = {c for group in report.channels.values() for c in group}
    if counts != {channels} or named != set(range(channels)):
        raise ConfigError(f"channel_control: {path} is of a network with {max(counts)} channels, this one has {channels}")
    return report


def check_same_network(report: ChannelReport, path: Path, network: MultiTaskNetwork) -> None:
    """Raises:
    ConfigError: ``report`` is of other weights than those that ``network`` begins with.
    """
    if report.fingerprint != trunk_fingerprint(network):
        raise ConfigError(
            f"channel_control: {path} is of another network ({report.network}) than the one this run starts from; its channels mean "
            "nothing here. Make a report of this one with 'mtl-perception report channels'"
        )


def trunk_fingerprint(network: MultiTaskNetwork) -> str:
    """SHA-256 of the names and values of all weights under the heads, in half precision as checkpoints hold them."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if not name.startswith("heads."):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().to(torch.float16).numpy().tobytes())
    return digest.hexdigest()


def channel_gains(control: ChannelControl, report: ChannelReport) -> dict[str, list[float]]:
    """By task, the factor of each channel that the architecture holds; empty for ``freeze``, which changes no answer."""
    if control.mode == "freeze":
        return {}
    if control.mode == "mask":
        return {task: _without(report, task) for task in report.importance}
    relative = {task: _relative(values) for task, values in report.importance.items()}
    totals = [sum(of_channel) for of_channel in zip(*relative.values(), strict=True)]
    tasks = len(relative)
    return {
        task: [
            round(min(1 / control.least, max(control.least, tasks * value / total)), 4) if total > 0 else 1.0
            for value, total in zip(values, totals, strict=True)
        ]
        for task, values in relative.items()
    }


class GradientGate(nn.Module):
    """Keeps the gradient of a task out of the channels that belong to another one; values pass as they are.

    Args:
        report: which channels those are.
    """

    def __init__(self, report: ChannelReport) -> None:
        super().__init__()
        for task in report.importance:
            self.register_buffer(f"open_{task}", torch.tensor(_without(report, task)).view(1, -1, 1, 1), persistent=False)

    def forward(self, task: str, features: Mapping[str, Tensor]) -> Features:
        """Features of the same values, (B, channels, H/stride, W/stride) each."""
        gate = getattr(self, f"open_{task}")
        return {name: torch.where(gate > 0, level, level.detach()) for name, level in features.items()}


def _without(report: ChannelReport, task: str) -> list[float]:
    hidden = set(report.of_others(task))
    return [float(channel not in hidden) for channel in range(len(report.importance[task]))]


def _relative(values: Sequence[float]) -> list[float]:
    largest = max(max(values), 1e-12)
    return [max(value, 0.0) / largest for value in values]
