# SPDX-License-Identifier: Apache-2.0
"""A training run, from its configuration to its checkpoint."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from mtl_perception.balancing import build_balancer
from mtl_perception.checkpoint import ModelCard, build_network, save_checkpoint
from mtl_perception.data.batch import Batch
from mtl_perception.inference.device import resolve_device
from mtl_perception.training.averaging import RunningAverage
from mtl_perception.training.batch_norm import synchronize_batch_norms
from mtl_perception.training.config import ConfigError, TrainingConfig
from mtl_perception.training.distributed import Ranks, joined, local_device
from mtl_perception.training.errors import TrainingDiverged, TrainingError
from mtl_perception.training.interruption import Interruption, interruptible
from mtl_perception.training.log import TrainingLog, event_writer
from mtl_perception.training.losses import labelled_tasks
from mtl_perception.training.network import card_of, optimizer_of, take_over
from mtl_perception.training.precision import Precision
from mtl_perception.training.schedule import Schedule
from mtl_perception.training.sources import Sources, open_sources
from mtl_perception.training.state import RunFolder, load_state, save_state
from mtl_perception.training.step import Step
from mtl_perception.training.stream import Part, Stream
from mtl_perception.training.validation import Interrupted, Validator
from mtl_perception.training.watch import LossWatch

STEPS_UNREAD_ON_GPU = 20
"""Steps whose losses wait on a GPU before they are read: reading makes the host wait for it."""


def train(config: TrainingConfig, console: Console | None = None, restart: bool = False) -> Path:
    """Train a network; go on where an earlier call with the same configuration was interrupted or killed.

    Args:
        restart: begin anew even so.

    Returns:
        ``config.output``. It holds the running average of the weights, which scores better than the last ones: that of
        the best validation, or without validation the last.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; all that is needed to go on is saved.
        TrainingError: the run can't start or go on; TrainingDiverged: a loss became NaN or infinite.
        ConfigError, DataError, CheckpointError, DeviceError: the configuration, data, ``start_from`` or device can't be used.
        OSError: the last files could not be written.
    """
    console = console or Console()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    device, _ = resolve_device(local_device(config.device))
    with ExitStack() as stack:
        ranks = stack.enter_context(joined(device))
        if not ranks.is_first:
            console = Console(quiet=True)
        folder = RunFolder(config.folder)
        if ranks.is_first:
            stack.enter_context(folder.locked())
        ranks.wait()
        interruption = stack.enter_context(interruptible())
        run = Run(config, folder, device, ranks, interruption, console, restart)
        return run()


class Run:
    """One training run in one process. Everything that can be wrong with its input is found on construction."""

    def __init__(
        self,
        config: TrainingConfig,
        folder: RunFolder,
        device: torch.device,
        ranks: Ranks,
        interruption: Interruption,
        console: Console,
        restart: bool,
    ) -> None:
        self.config, self.folder, self.device, self.ranks = config, folder, device, ranks
        self._interruption, self._console = interruption, console
        _check_batch_sizes(config, ranks)
        state = load_state(folder.state, config) if folder.state.exists() and not restart else None
        self.precision = Precision(config.precision, device)
        if device.type == "cuda":
            torch.backends.cudnn.benchmark = True
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        sources = open_sources(config)
        self.samples = sources.samples
        torch.manual_seed(config.seed)
        self.card = card_of(config, sources) if state is None else ModelCard.model_validate_json(state["card"])
        self.network = build_network(self.card)
        if state is None and config.start_from is not None:
            anew = take_over(config.start_from, self.network, self.card)
            console.print(f"starting from {config.start_from}" + (f"; new: {', '.join(anew)}" if anew else ""), highlight=False)
        self.network = self.network.to(device, memory_format=torch.channels_last).train()
        self.average = RunningAverage(self.network, config.ema_decay)
        if ranks.size > 1:
            self.network = synchronize_batch_norms(self.network, device)
        self.optimizer = optimizer_of(config, self.network, device)
        self.balancer = build_balancer(
            config.balancing,
            config.tasks,
            self.network.shared_parameters(),
            {task: list(self.network.heads[task].parameters()) for task in config.tasks},
            config.seed,
            ranks.sum_ if ranks.size > 1 else None,
        )
        self.schedule = Schedule(config)
        self.best: dict[str, Any] | None = None
        self._validated: dict[str, float] = {"step": 0, "spent_s": 0.0}
        self._spent_s, self._stopping = 0.0, False
        if state is not None:
            self._load(state)
            self._check_data(sources)
        self._validator: Validator | None = None
        if config.validation is not None and ranks.is_first:
            self._validator = Validator(config.validation, sources.held_out, self.card, device)

    def __call__(self) -> Path:
        """Train until the schedule's end."""
        config, schedule = self.config, self.schedule
        with ExitStack() as stack:
            events = None
            if self.ranks.is_first:
                if schedule.step == 0:
                    self.folder.clear()
                    self._save_state()
                events = event_writer(config.tensorboard, self.folder.tensorboard, schedule.step, self._console)
            self.log = stack.enter_context(TrainingLog(config, schedule, self._console, events))
            if schedule.step:
                self.log.say(f"going on after step {schedule.step} ({100 * schedule.share:.1f} %), found in {self.folder.path}; --restart begins anew")
            try:
                if schedule.measure() < 1:
                    self._train()
                if schedule.measure() >= 1 and not self._is_done:
                    self._validate()
            except TrainingDiverged as error:
                raise TrainingDiverged(f"{error}. {self._kept()}") from None
            if not self._is_done:
                self._stop()
            if self.ranks.is_first:
                self._save()
                chosen = "" if self.best is None else f": step {self.best['step']}, validation score {self.best['score']:.4f}"
                self.log.say(f"wrote {config.output}{chosen}")
            self.ranks.wait()
        return config.output

    def _train(self) -> None:
        config, schedule, ranks = self.config, self.schedule, self.ranks
        on_gpu = self.device.type == "cuda"
        watch = LossWatch(STEPS_UNREAD_ON_GPU if on_gpu else 1, self.precision.scaler is not None)
        step = Step(config, self.network, self.optimizer, self.balancer, self.precision, self.device, ranks, watch)
        tasks = {task: self.network.tasks[task] for task in config.tasks}
        steps = iter(Stream(config, self.samples, tasks, schedule, ranks, pinned=on_gpu))
        schedule.go_on()
        saved_s = time.monotonic()
        while True:
            parts, batches = _next(steps)
            present = self._agree(batches)
            if self._stopping or schedule.share >= 1:
                break
            for group in self.optimizer.param_groups:
                group["lr"] = schedule.learning_rate
            step(schedule.step + 1, batches, present)
            self.average.update_parameters(self.network)
            schedule.step += 1
            schedule.samples += parts[0].images_in_step
            if schedule.step % config.log_every_steps == 0:
                watch.read()
                self.log.step(config.stages[parts[0].stage], watch.take_means(), step.weights)
            is_due = self._is_validation_due
            if is_due or time.monotonic() - saved_s > 60 * config.save_every_minutes:
                watch.read()
                schedule.pause()
                if is_due:
                    self._validate()
                self._save_or_say()
                saved_s = time.monotonic()
                schedule.go_on()
        watch.read()
        schedule.pause()
        steps.close()

    def _agree(self, batches: Sequence[Batch]) -> list[list[str]]:
        """Take over the first process's clock and anybody's wish to stop. For each part of the step, the tasks that any
        process has labels for."""
        tasks = list(self.config.tasks)
        labelled = [labelled_tasks(batch) for batch in batches]
        clock = [self.schedule.measure(), self.schedule.spent_s] if self.ranks.is_first else [0.0, 0.0]
        flags = [float(of_batch[task]) for of_batch in labelled for task in tasks]
        share, spent_s, stop, *flags = self.ranks.sum_numbers([*clock, float(self._interruption.requested), *flags])
        self.schedule.share, self._spent_s, self._stopping = share, spent_s, stop > 0
        return [[task for j, task in enumerate(tasks) if flags[i * len(tasks) + j]] for i in range(len(batches))]

    @property
    def _is_done(self) -> bool:
        is_validated = self.config.validation is None or self._validated["step"] == self.schedule.step
        return self.schedule.measure() >= 1 and is_validated

    @property
    def _is_validation_due(self) -> bool:
        settings = self.config.validation
        if settings is None:
            return False
        if settings.every_steps is not None:
            return self.schedule.step - self._validated["step"] >= settings.every_steps
        return self._spent_s - self._validated["spent_s"] >= 60 * settings.every_minutes

    def _validate(self) -> None:
        """Score the running average, and keep it if it is the best so far."""
        if self._validator is not None:
            try:
                found = self._validator(self.average.module, lambda: self._interruption.requested)
            except Interrupted:
                return
            is_best = self.best is None or found.score > self.best["score"]
            if is_best:
                self.best = {"score": found.score, "step": self.schedule.step, "measures": found.measures}
                self._write_checkpoint(self.config.output)
            self.log.validation(found, is_best)
        self._validated = {"step": self.schedule.step, "spent_s": self._spent_s}

    def _check_data(self, sources: Sources) -> None:
        """Data may have grown since the run began; other labels would be another network."""
        for task, labels in (("segmentation", sources.samples.segmentation_labels), ("detection", sources.samples.detection_labels)):
            if task in self.card.tasks and self.card.tasks[task].settings["labels"] != labels:
                before = ", ".join(self.card.tasks[task].settings["labels"])
                raise TrainingError(f"this run began with the {task} labels {before}, the data now have {', '.join(labels)}; begin anew with --restart")
        if self.card.training["images"] != sources.images:
            before = self.card.training["images"]
            self._console.print(f"there were {before} training images when this run began, there are {sources.images} now", highlight=False)
            self.card.training["images"] = sources.images

    def _save(self) -> None:
        self._write_checkpoint(self.config.output if self.config.validation is None else self.folder.last)
        self._save_state()

    def _save_or_say(self) -> None:
        """A disk that is full now may have room again before the end, so the run goes on."""
        if self.ranks.is_first:
            try:
                self._save()
            except OSError as error:
                self.log.say(f"not saved: {error.strerror}. Training goes on; make room, and it is tried again")

    def _stop(self) -> None:
        if self.ranks.is_first:
            self._save()
            self.log.say(f"stopped after step {self.schedule.step}; the same command goes on from there")
        raise KeyboardInterrupt

    def _write_checkpoint(self, path: Path) -> None:
        self.card.training |= {
            "steps": self.schedule.step,
            "samples": self.schedule.samples,
            "minutes": round(self.schedule.spent_s / 60, 3),
            "device": _device_name(self.device) + (f", {self.ranks.size} processes" if self.ranks.size > 1 else ""),
            "precision": self.precision.name,
            "memory_mb": round(_peak_memory_mb(self.device)),
        }
        if self.best is not None and path == self.config.output:
            self.card.training["validation"] = self.best
        save_checkpoint(path, self.average.module, self.card)

    def _save_state(self) -> None:
        state = {
            "card": self.card.model_dump_json(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if self.precision.scaler is None else self.precision.scaler.state_dict(),
            "balancer": self.balancer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "best": self.best,
            "validated": self._validated,
        }
        save_state(self.folder.state, state, self.config)

    def _load(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.precision.scaler is not None and state["scaler"] is not None:
            self.precision.scaler.load_state_dict(state["scaler"])
        self.balancer.load_state_dict(state["balancer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        self.best, self._validated = state["best"], state["validated"]

    def _kept(self) -> str:
        kept = self.config.output if self.config.output.exists() else None
        if kept is None:
            return "No checkpoint had been written yet"
        return f"The last good weights are in {kept}; to go on from them with other settings, begin another run with 'start_from: {kept}'"


def _next(steps: Iterator[tuple[list[Part], list[Batch]]]) -> tuple[list[Part], list[Batch]]:
    """The next step's batches, none at the end."""
    try:
        return next(steps, ([], []))
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise TrainingError(f"a process that reads images ended ({error}); if memory ran out, lower 'workers' or 'prefetch'") from error


def _check_batch_sizes(config: TrainingConfig, ranks: Ranks) -> None:
    for stage in config.stages:
        if stage.batch_size % (config.gradient_accumulation * ranks.size):
            raise ConfigError(
                f"batch_size {stage.batch_size} can't be shared by {ranks.size} processes in {config.gradient_accumulation} equal parts each; "
                f"expected a multiple of {ranks.size * config.gradient_accumulation}"
            )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
