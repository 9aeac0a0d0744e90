# SPDX-License-Identifier: Apache-2.0
"""A training run, from its configuration to its checkpoint."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import torch
from rich.console import Console

from mtl_perception.core.interrupts import Interruption, interruptible
from mtl_perception.core.sole_writer import sole_writer
from mtl_perception.data.batch import Batch
from mtl_perception.inference.device import resolve_device
from mtl_perception.model.checkpoint import ModelCard
from mtl_perception.training.config import TrainingConfig
from mtl_perception.training.difficulty import Difficulty
from mtl_perception.training.distillation import Teacher
from mtl_perception.training.distributed import Ranks, joined, local_device
from mtl_perception.training.errors import LoaderDied, TrainingDiverged, TrainingError
from mtl_perception.training.keeper import Keeper
from mtl_perception.training.learner import Learner
from mtl_perception.training.log import TrainingLog, event_writer
from mtl_perception.training.losses import present_tasks
from mtl_perception.training.sampling import LossRank
from mtl_perception.training.schedule import Schedule
from mtl_perception.training.sources import Sources, check_same_labels, held_out_samples, open_sources
from mtl_perception.training.state import RunFolder, load_state, note_validation
from mtl_perception.training.step import Step
from mtl_perception.training.stream import Stream, check_batch_sizes, check_shared_memory, loader_deaths_named
from mtl_perception.training.validation import Interrupted, Validation, Validator
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
    _require_main_guard()
    console = console or Console()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    device, _ = resolve_device(local_device(config.device))
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    with ExitStack() as stack:
        ranks = stack.enter_context(joined(device))
        if not ranks.is_first:
            console = Console(quiet=True)
        folder = RunFolder(config.folder)
        if ranks.is_first:
            try:
                stack.enter_context(sole_writer(config.folder))
            except OSError as error:
                raise TrainingError(f"output {config.output}: {error}") from None
        ranks.wait()
        interruption = stack.enter_context(interruptible())
        Run(config, folder, device, ranks, interruption, console, restart)()
    return config.output


def _require_main_guard() -> None:
    # As multiprocessing itself asks before a process starts another one.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise TrainingError(
            "a process that reads images loads the script that started it, and the script trains again there: put what it does under "
            "if __name__ == '__main__':"
        )


class Run:
    """One training run in one process. What can be wrong with its input is found on construction."""

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
        self._config, self._folder, self._device, self._ranks = config, folder, device, ranks
        self._interruption, self._console = interruption, console
        check_batch_sizes(config, ranks)
        check_shared_memory(config)
        self._event_writer = event_writer(config.tensorboard, console) if ranks.is_first else None
        state = load_state(folder.state, config) if folder.state.exists() and not restart else None
        sources = open_sources(config)
        card = None if state is None else ModelCard.model_validate_json(state["card"])
        self._samples = sources.samples
        self._learner = Learner(config, sources, device, ranks, card)
        self._held_out = held_out_samples(config, sources) if self._learner.balancer.wants_validation else None
        self._schedule = Schedule(config)
        self._notes = [*config.remarks, *self._learner.notes, *sources.notes]
        self._difficulty: Difficulty | None = None
        if isinstance(config.sampling, LossRank):
            self._difficulty = Difficulty(config.sampling, sources.samples, config, ranks)
            self._notes += self._difficulty.remarks(config.steps, config.stages[0].batch_size)
        self._keeper = Keeper(config, folder, self._learner, self._schedule, device, ranks.size, self._difficulty)
        if state is not None:
            self._notes += self._keeper.load(state)
            self._check_data(sources)
        self._validator: Validator | None = None
        if config.validation is not None and ranks.is_first:
            self._validator = Validator(config.validation, sources.held_out, self._learner.card, device)
        self._spent_s, self._is_stopping = self._schedule.spent_s, False

    def _check_data(self, sources: Sources) -> None:
        """Data may have grown since the run began, which is worth a note; other labels would be another network."""
        card = self._learner.card
        check_same_labels(card, sources)
        before, card.training["images"] = card.training["images"], sources.images
        if before != sources.images:
            self._notes.append(f"there were {before} training images when this run began, there are {sources.images} now")

    def __call__(self) -> None:
        """Train until the schedule's end.

        Raises:
            KeyboardInterrupt: it was asked to end before; all that is needed to go on is saved.
        """
        with ExitStack() as stack:
            self._log = stack.enter_context(TrainingLog(self._config, self._schedule, self._console, self._prepare_folder()))
            for note in self._notes:
                self._log.say(note)
            try:
                if self._schedule.share < 1:
                    with loader_deaths_named():
                        self._train(stack)
                if self._schedule.share >= 1 and not self._is_done:
                    self._validate()
            except TrainingDiverged as error:
                raise TrainingDiverged(f"{error}. {self._kept()}") from None
            except LoaderDied:
                if not self._interruption.requested:
                    raise
                # Whoever ends a group of processes ends those that read images too, perhaps in the middle of a step.
                self._log.say("stopped in the middle of a step; the same command resumes from where it was last saved")
                raise KeyboardInterrupt from None
            if self._ranks.is_first and self._schedule.step:
                self._keeper.save()
            if not self._is_done:
                self._log.say(f"stopped after step {self._schedule.step}; the same command resumes from there")
                raise KeyboardInterrupt
            best = self._keeper.best
            chosen = "" if best is None else f": step {best['step']}, validation score {best['score']:.4f}"
            self._log.say(f"wrote {self._config.output}{chosen}")
            self._ranks.wait()

    def _prepare_folder(self) -> object | None:
        """Clear what a new run replaces, and see that the folder can be written to. TensorBoard's writer, if any."""
        if not self._ranks.is_first:
            return None
        step = self._schedule.step
        if step == 0:
            self._folder.clear()
            self._keeper.save_state()
        else:
            share = 100 * self._schedule.share
            self._notes.insert(0, f"resuming after step {step} ({share:.1f} %), found in {self._folder.path}; --restart starts over")
        # What a killed run wrote after its last state is drawn again from there.
        return None if self._event_writer is None else self._event_writer(str(self._folder.tensorboard), purge_step=step + 1)

    def _train(self, stack: ExitStack) -> None:
        config, schedule, learner, ranks = self._config, self._schedule, self._learner, self._ranks
        on_gpu = self._device.type == "cuda"
        watch = LossWatch(STEPS_UNREAD_ON_GPU if on_gpu else 1, learner.precision.scaler is not None)
        step = Step(config, learner, self._device, ranks, watch, self._teacher(), self._difficulty is not None)
        tasks = {task: learner.network.tasks[task] for task in config.tasks}
        stream = Stream(config, self._samples, tasks, schedule, ranks, on_gpu, self._difficulty)
        steps = stack.enter_context(closing(iter(stream)))
        held_out = None
        if self._held_out is not None:
            held_out = stack.enter_context(closing(iter(Stream(config, self._held_out, tasks, schedule, ranks, pinned=on_gpu))))
        schedule.go_on()
        saved_s = time.monotonic()
        while True:
            parts, batches = next(steps, ([], []))
            self._agree()
            if self._is_stopping or schedule.share >= 1:
                break
            present = self._present(batches)
            if held_out is not None:
                _, unseen = next(held_out)
                step.see_validation(unseen, self._present(unseen))
            factors = config.task_schedule.factors(list(config.tasks), schedule.step, schedule.share, self._keeper.validated["scores"])
            step(schedule.step + 1, schedule.learning_rate, batches, present, factors)
            learner.average.update_parameters(learner.network)
            if self._difficulty is not None:
                self._difficulty.note(schedule.samples, parts, step.image_losses)
            schedule.step += 1
            schedule.samples += parts[0].images_in_step
            if schedule.step % config.log_every_steps == 0:
                watch.read()
                self._log.step(config.stages[parts[0].stage], watch.take_means(), step.weights)
            is_due = self._is_validation_due
            if is_due or time.monotonic() - saved_s > 60 * config.save_every_minutes:
                watch.read()
                schedule.pause()
                if is_due:
                    self._validate()
                if self._is_settled:
                    self._log.say(f"no better for {config.finetuning.patience} validations: the run ends here")
                    schedule.share = 1.0
                    break
                self._save_or_say()
                saved_s = time.monotonic()
                schedule.go_on()
        watch.read()
        schedule.pause()

    def _teacher(self) -> Teacher | None:
        config, settings = self._config, self._config.finetuning
        if settings is None or config.start_from is None:
            return None
        weights = settings.taught(self._learner.network.tasks)
        path = settings.teacher or config.start_from
        return Teacher(path, self._learner.network, settings.replay, weights, self._device) if weights else None

    def _agree(self) -> None:
        """Take over the first process's clock and anybody's wish to stop."""
        clock = [self._schedule.measure(), self._schedule.spent_s] if self._ranks.is_first else [0.0, 0.0]
        share, spent_s, stop = self._ranks.sum_numbers([*clock, float(self._interruption.requested)])
        self._schedule.share, self._spent_s, self._is_stopping = share, spent_s, stop > 0

    def _present(self, batches: Sequence[Batch]) -> list[list[str]]:
        """For each batch, the tasks that any process has labels for, of those that anything can be learned for."""
        return present_tasks(batches, self._learner.learning_tasks, self._ranks)

    @property
    def _is_done(self) -> bool:
        is_validated = self._config.validation is None or self._keeper.validated["step"] == self._schedule.step
        return self._schedule.share >= 1 and is_validated

    @property
    def _is_validation_due(self) -> bool:
        settings, last = self._config.validation, self._keeper.validated
        if settings is None:
            return False
        if settings.every_steps is not None:
            return self._schedule.step - last["step"] >= settings.every_steps
        assert settings.every_minutes is not None
        return self._spent_s - last["spent_s"] >= 60 * settings.every_minutes

    @property
    def _is_settled(self) -> bool:
        """Whether the scores have stopped rising, as every process sees them."""
        patience = None if self._config.finetuning is None else self._config.finetuning.patience
        return patience is not None and self._keeper.validated.get("since_best", 0) >= patience

    def _validate(self) -> None:
        """Score the running average in the first process, and keep it if it is the best so far."""
        scores, is_done = dict.fromkeys(self._config.tasks, 0.0), False
        if self._validator is not None:
            try:
                found = self._validator(self._learner.averaged_network(), lambda: self._interruption.requested)
            except Interrupted:
                pass
            else:
                scores |= found.of_tasks
                is_done = True
                self._log.validation(found, self._offer(found))
                with suppress(OSError):  # a full disk is said where the weights are saved
                    note_validation(self._folder.validations, self._schedule.step, found.of_tasks)
        *values, done = self._ranks.sum_numbers([*scores.values(), float(is_done)])
        if done:
            of_tasks = dict(zip(scores, values, strict=True))
            before, mean = self._keeper.validated, sum(values) / len(values)
            is_better = mean > before.get("best", -1.0)
            self._keeper.validated = {
                "step": self._schedule.step,
                "spent_s": self._spent_s,
                "scores": of_tasks,
                "best": mean if is_better else before["best"],
                # Of classes that begin anew nothing is found for a while, which is no reason to give up.
                "since_best": 0 if is_better or not mean else before.get("since_best", 0) + 1,
            }

    def _offer(self, found: Validation) -> bool:
        try:
            return self._keeper.offer(found)
        except OSError as error:
            self._log.say(f"the best weights so far are not saved: {error.strerror}. Training continues; free some disk space")
            return False

    def _save_or_say(self) -> None:
        """A disk that is full now may have room again before the end, so the run goes on."""
        if self._ranks.is_first:
            try:
                self._keeper.save()
            except OSError as error:
                self._log.say(f"not saved: {error.strerror}. Training continues; free some disk space, and saving is tried again")

    def _kept(self) -> str:
        output = self._config.output
        if not output.exists():
            return "No checkpoint had been written yet"
        return (
            f"The last good weights are in {output}; to go on from them with other settings, begin another run with 'start_from: {output}'"
        )
