# SPDX-License-Identifier: Apache-2.0
"""The training loop."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mtl_perception.checkpoint import CheckpointError, ModelCard, TaskCard, build_network, load_checkpoint, save_checkpoint
from mtl_perception.data.augmentation import random_appearance, random_view
from mtl_perception.data.batch import Batch, collate
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.sample import Sample
from mtl_perception.network import VARIANTS, MultiTaskNetwork
from mtl_perception.scene import UNLABELLED
from mtl_perception.training.averaging import RunningAverage
from mtl_perception.training.config import Stage, TrainingConfig
from mtl_perception.training.losses import task_losses

SAVE_EVERY_S = 300.0


class TrainingDiverged(RuntimeError):
    """The loss is no longer finite. The last good checkpoint is kept."""


class _Augmented(Dataset[Sample]):
    """Random views of a folder's samples, a new one each time; the same for the same seed and index."""

    def __init__(self, folder: ImageFolder, stage: Stage, seed: int, length: int) -> None:
        self.folder, self.stage, self.seed, self.length = folder, stage, seed, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> Sample:
        # Every pass over the folder has an order of its own, so that no image is seen twice before all were seen once.
        round_, place = divmod(i, len(self.folder))
        order = np.random.default_rng([self.seed, round_]).permutation(len(self.folder))
        rng = np.random.default_rng([self.seed, 1, i])
        view = random_view(self.folder[int(order[place])], self.stage.width, self.stage.height, self.stage.max_zoom, rng)
        return random_appearance(view, rng)


@dataclass
class _Clock:
    """How far through the schedule the run is, by steps or by time."""

    config: TrainingConfig
    started_s: float
    step: int = 0

    @property
    def share(self) -> float:
        if self.config.steps is not None:
            return self.step / self.config.steps
        assert self.config.minutes is not None
        return (time.monotonic() - self.started_s) / (self.config.minutes * 60)

    @property
    def learning_rate(self) -> float:
        warm = min(1.0, (self.step + 1) / (self.config.warmup_steps + 1))
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, self.share)))
        return self.config.learning_rate * warm * (0.01 + 0.99 * cosine)


def train(config: TrainingConfig, console: Console | None = None) -> Path:
    """Train a network and write ``config.output``, now and then and at the end; Ctrl-C ends early and keeps the weights.

    Returns:
        The checkpoint's path. It holds the running average of the weights, which scores better than the last ones.

    Raises:
        DataError: the data can't be used.
        CheckpointError: ``start_from`` can't be used.
        TrainingDiverged: the loss became NaN or infinite.
    """
    console = console or Console()
    torch.manual_seed(config.seed)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    folder = ImageFolder(config.data)
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if config.device == "auto" else config.device)
    card = _card(config, folder)
    network = build_network(card)
    if config.start_from is not None:
        _start_from(config.start_from, network, card, console)
    network = network.to(device, memory_format=torch.channels_last).train()
    average = RunningAverage(network, config.ema_decay)
    optimizer = torch.optim.AdamW(_parameter_groups(network, config.weight_decay), lr=config.learning_rate)
    clock = _Clock(config, time.monotonic())
    seen = 0

    def save() -> None:
        card.training.update(images=len(ImageFolder(config.data)), steps=clock.step, samples=seen, device=_device_name(device))
        card.training["minutes"] = round((time.monotonic() - clock.started_s) / 60, 1)
        save_checkpoint(config.output, average.module, card)

    saved_s = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:5.1f} %"), TimeElapsedColumn())
    progress = Progress(*columns, console=console, refresh_per_second=1)
    bar = progress.add_task("training", total=1.0)
    recent: dict[str, float] = {}
    try:
        with progress:
            for stage, batch in _batches(config, clock, network):
                for group in optimizer.param_groups:
                    group["lr"] = clock.learning_rate
                values = _step(network, optimizer, batch, config, device)
                average.update_parameters(network)
                clock.step += 1
                seen += len(batch.images)
                recent = {k: v if k not in recent else 0.98 * recent[k] + 0.02 * v for k, v in values.items()}
                progress.update(bar, completed=min(1.0, clock.share), description=_line(clock, seen, recent))
                if clock.step % 200 == 0:
                    rate = seen / (time.monotonic() - clock.started_s)
                    console.print(f"{stage.width}x{stage.height} {_line(clock, seen, recent)} {rate:.1f} images/s", highlight=False)
                if time.monotonic() - saved_s > SAVE_EVERY_S:
                    save()
                    saved_s = time.monotonic()
    except KeyboardInterrupt:
        console.print("stopped early; the weights so far are kept")
    save()
    console.print(f"wrote {config.output}")
    return config.output


def _batches(config: TrainingConfig, clock: _Clock, network: nn.Module) -> Iterator[tuple[Stage, Batch]]:
    """Batches of each stage in turn, until its share of the schedule is reached."""
    for number, stage in enumerate(config.stages):
        if clock.share >= stage.until:
            continue
        # Read again at each stage: a data set that is still being rendered has grown by then.
        data = _Augmented(ImageFolder(config.data), stage, config.seed * 1000 + number, 10**9)
        loader = DataLoader(
            data,
            batch_size=stage.batch_size,
            sampler=range(clock.step * stage.batch_size, 10**9),
            num_workers=config.workers,
            # A forked worker inherits OpenCV's thread pool without its threads and waits for them for ever.
            multiprocessing_context="spawn" if config.workers else None,
            collate_fn=functools.partial(collate, tasks={t: network.tasks[t] for t in config.tasks}),
            persistent_workers=False,
            worker_init_fn=_one_thread,
        )
        for batch in loader:
            yield stage, batch
            if clock.share >= stage.until:
                break


def _one_thread(_: int) -> None:
    import cv2

    cv2.setNumThreads(1)


def _step(network: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, config: TrainingConfig, device: torch.device) -> dict[str, float]:
    batch = batch.to(device)
    # bfloat16 needs no loss scaling, and CPUs with AMX or AVX512-BF16 run it several times faster than float32.
    with torch.autocast(device.type, dtype=torch.bfloat16):
        raw = network(batch.images)
    losses = task_losses(raw, batch, {t: network.tasks[t] for t in config.tasks})
    if not losses:
        return {}
    total = sum(config.tasks[task] * sum(terms.values()) for task, terms in losses.items())
    if not bool(torch.isfinite(total)):
        raise TrainingDiverged(
            "the loss is no longer finite: "
            + ", ".join(f"{task} {term} {value.item():g}" for task, terms in losses.items() for term, value in terms.items())
            + "; lower learning_rate, or look for labels that are not finite"
        )
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    nn.utils.clip_grad_norm_(network.parameters(), config.gradient_norm)
    optimizer.step()
    return {f"{task}/{term}": value.item() for task, terms in losses.items() for term, value in terms.items()}


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Biases and the two parameters of batch norm are not decayed."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def _card(config: TrainingConfig, folder: ImageFolder) -> ModelCard:
    settings: dict[str, dict[str, object]] = {
        "detection": {"labels": folder.detection_labels},
        "segmentation": {"labels": folder.segmentation_labels},
        "depth": {},
    }
    if config.balance_classes and "segmentation" in config.tasks:
        settings["segmentation"]["class_weights"] = class_weights(folder)
    last = config.stages[-1]
    return ModelCard(
        name=config.name,
        architecture=VARIANTS[config.variant],
        input_width=last.width,
        input_height=last.height,
        tasks={task: TaskCard(kind=task, settings=settings[task]) for task in config.tasks},
        training={"data": config.data.name, "seed": config.seed, "stages": [s.model_dump() for s in config.stages]},
    )


def class_weights(folder: ImageFolder, images: int = 300) -> list[float]:
    """Inverse root of each class's share of pixels over evenly spread samples, mean 1, kept within 0.2 and 2.5."""
    counts = np.zeros(256, np.int64)
    for i in np.linspace(0, len(folder) - 1, min(images, len(folder))).astype(int):
        mask = folder[int(i)].labels.get("segmentation")
        if mask is not None:
            counts += np.bincount(mask.ravel(), minlength=256)
    shares = counts[: len(folder.segmentation_labels)] / max(1, counts[:UNLABELLED].sum())
    weights = 1 / np.sqrt(shares + 1e-4)
    return [round(float(w), 4) for w in np.clip(weights / weights.mean(), 0.2, 2.5)]


def _start_from(path: Path, network: MultiTaskNetwork, card: ModelCard, console: Console) -> None:
    """Take over every weight that has a counterpart in ``network``; says which heads begin anew."""
    loaded, earlier = load_checkpoint(path)
    if earlier.architecture != card.architecture:
        raise CheckpointError(
            f"start_from: {path} is made of {earlier.architecture}, this run trains {card.architecture}; choose the same variant"
        )
    own = network.state_dict()
    fitting = {name: value for name, value in loaded.state_dict().items() if name in own and own[name].shape == value.shape}
    network.load_state_dict(fitting, strict=False)
    anew = sorted({name.split(".")[1] for name in own.keys() - fitting.keys()})
    console.print(f"starting from {path}" + (f"; new: {', '.join(anew)}" if anew else ""), highlight=False)
    card.training["start_from"] = {"name": earlier.name, **earlier.training}


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"


def _line(clock: _Clock, seen: int, recent: dict[str, float]) -> str:
    losses = " ".join(f"{name.split('/')[0][:3]}/{name.split('/')[1]} {value:.3f}" for name, value in recent.items())
    return f"step {clock.step} seen {seen} lr {clock.learning_rate:.2e} {losses}"
