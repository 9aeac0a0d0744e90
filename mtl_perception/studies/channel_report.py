# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception report channels``: which channels of a trained network carry which task."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from mtl_perception.core.files import write_atomically
from mtl_perception.core.yaml_file import ConfigError
from mtl_perception.evaluation.command import require_writable
from mtl_perception.studies.channels import channel_importance, specific_channels
from mtl_perception.training.channel_control import ChannelReport, trunk_fingerprint
from mtl_perception.training.config import read_config


def report_channels(path: Path, out: Path | None, batches: int, console: Console) -> ChannelReport:
    """Measure the network that the training configuration ``path`` starts from, on its data, and write channels.json; nothing is trained.

    Args:
        out: folder of the report; out/channels/NAME if None.
        batches: with labels of every task, that are looked at.

    Raises:
        ConfigError, DataError, CheckpointError: the configuration, its data or its checkpoint can't be used.
    """
    from mtl_perception.inference.device import resolve_device
    from mtl_perception.studies.affinity import labelled_for_all, plain_losses
    from mtl_perception.training.distributed import Ranks
    from mtl_perception.training.learner import Learner
    from mtl_perception.training.sources import open_sources

    config = read_config(path).model_copy(update={"channel_control": None})
    if config.start_from is None:
        raise ConfigError(f"{path}: channels are measured of a trained network; say which with 'start_from'")
    if config.built_architecture.sharing.method != "hard" or len(config.tasks) < 2:
        raise ConfigError(f"{path}: channels are measured where several tasks read the same ones: two tasks or more with sharing 'hard'")
    out = out or Path("out/channels") / config.name
    require_writable(out)
    device, _ = resolve_device(config.device)
    learner = Learner(config, sources := open_sources(config), device, Ranks())
    tasks = {task: learner.network.tasks[task] for task in config.tasks}
    looked_at = [batch.to(device) for batch in labelled_for_all(config, sources.samples, tasks, batches)]
    found = [channel_importance(learner.network, batch.images, lambda raw, b=batch: plain_losses(raw, b, tasks)) for batch in looked_at]
    importance = {task: [sum(of) / len(found) for of in zip(*(one[task] for one in found), strict=True)] for task in tasks}
    report = ChannelReport(
        network=str(config.start_from),
        fingerprint=trunk_fingerprint(learner.network),
        importance=importance,
        channels=specific_channels(importance),
    )
    write_atomically(out / "channels.json", (report.model_dump_json(indent=2) + "\n").encode())
    console.print(", ".join(f"{name} {len(channels)}" for name, channels in report.channels.items()), highlight=False)
    console.print(out / "channels.json", highlight=False)
    return report
