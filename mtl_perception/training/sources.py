# SPDX-License-Identifier: Apache-2.0
"""The data of a run: what is trained on and what is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.label_lists import united
from mtl_perception.data.mixed import MixedData
from mtl_perception.data.shared_images import shared_images
from mtl_perception.model.checkpoint import ModelCard
from mtl_perception.tasks import TASKS
from mtl_perception.training.config import ConfigError, TrainingConfig
from mtl_perception.training.errors import TrainingError
from mtl_perception.training.finetuning import kept_labels, start_card
from mtl_perception.training.label_shares import balanced_by_labels


@dataclass(frozen=True)
class Sources:
    """
    Attributes:
        samples: the endless stream of training samples.
        held_out: folders to validate on, in the same labels; empty without validation.
        notes: what a user should know of how they are mixed, and of what validation can't say.
    """

    samples: MixedData
    held_out: list[ImageFolder]
    notes: list[str] = field(default_factory=list)

    @property
    def labels(self) -> dict[str, list[str]]:
        """Class names by task, of the tasks that have classes."""
        return {task: names for task, names in self.samples.labels.items() if names}

    @property
    def labelled_tasks(self) -> set[str]:
        """The tasks that any image which is trained on is labelled for."""
        return {task for folder in self.samples.folders for entry in folder.entries for task in entry.tasks}

    @property
    def origins(self) -> list[dict[str, str]]:
        """Name, source and licence of each folder on disk once, whatever parts it is drawn in."""
        return list({folder.root: folder.origin for folder in self.samples.folders}.values())

    @property
    def images(self) -> int:
        """How many different ones are trained on."""
        return sum(len(folder) for folder in self.samples.folders)


def _opened(path: Path, config: TrainingConfig) -> ImageFolder:
    """The images of a folder that are labelled for any task of the run."""
    folder = ImageFolder(path)
    wanted = folder.with_tasks(config.tasks)
    return wanted.cached() if config.cache else wanted


def open_sources(config: TrainingConfig) -> Sources:
    """Open the folders of ``config`` and split them.

    Raises:
        DataError: a folder can't be used.
        ConfigError: nothing in them is labelled for a task, nothing in one of them for any, or nothing that is held out for any.
    """
    folders = [_opened(path, config) for path in config.data]
    _check_labels(config, folders)
    _check_class_lists(config, folders)
    held_out: list[ImageFolder] = []
    validation = config.validation
    if validation is not None and validation.data is not None:
        held_out = [_opened(path, config) for path in validation.data]
    elif validation is not None and validation.share is not None:
        folders, held_out = _split(config, folders, validation.share)
    if config.data_share < 1:
        # Another seed than that of the validation, whose groups are already gone from here.
        folders = [folder.split(config.data_share, config.seed + 1)[1] for folder in folders]
    weights = config.data_weights
    for task, share in config.label_share.items():
        folders, weights = balanced_by_labels(folders, weights, config.data_alpha, task, share)
    samples = MixedData(folders, config.data_alpha, config.seed, weights, _trained_labels(config, folders))
    notes = _mixture(samples)
    if held_out:
        notes += [*_unscored(config, samples, held_out), *_seen(folders, held_out)]
    return Sources(samples, [samples.renamed(folder) for folder in held_out], notes)


def _split(config: TrainingConfig, folders: Sequence[ImageFolder], share: float) -> tuple[list[ImageFolder], list[ImageFolder]]:
    """Returns the samples to train on and those held out: none of a replay that is one drive."""
    trained, held_out = [], []
    for folder in folders:
        is_replay = config.finetuning is not None and folder.root in config.finetuning.replay
        if is_replay and len({entry.group for entry in folder.entries}) < 2:
            trained.append(folder)
            continue
        rest, chosen = folder.split(share, config.seed)
        trained.append(rest)
        held_out.append(chosen)
    return trained, held_out


def _kept(config: TrainingConfig) -> dict[str, list[str]]:
    """By task, the classes that the network knows before, which the data need not have."""
    return {} if config.finetuning is None or config.start_from is None else kept_labels(start_card(config.start_from))


def _trained_labels(config: TrainingConfig, folders: Sequence[ImageFolder]) -> dict[str, list[str]]:
    """By task, the classes to train: those that the network keeps, then those of the configuration or else of the data."""
    kept = {task: names for task, names in _kept(config).items() if names and task in config.tasks}
    of_data = {task: united(folder.labels.get(task, []) for folder in folders) for task in kept}
    return {**config.labels, **{task: united([names, config.labels.get(task, of_data[task])]) for task, names in kept.items()}}


def _mixture(samples: MixedData) -> list[str]:
    shares: dict[Path, float] = {}
    for folder, share in zip(samples.folders, samples.shares, strict=True):
        shares[folder.root] = shares.get(folder.root, 0.0) + share
    if len(shares) == 1:
        return []
    return ["of the samples " + ", ".join(f"{100 * share:.1f} % come from {root}" for root, share in shares.items())]


def _unscored(config: TrainingConfig, samples: MixedData, held_out: Sequence[ImageFolder]) -> list[str]:
    """Returns what the validation images have no labels for, in sentences; they may have label lists of their own.

    Raises:
        ConfigError: they say nothing at all.
    """
    where = ", ".join(str(folder.root) for folder in held_out)
    labelled = {task for folder in held_out for entry in folder.entries for task in entry.tasks}
    notes, scored = [], []
    for task in config.tasks:
        trained = samples.labels.get(task, [])
        known = {name for folder in held_out for name in folder.labels.get(task, [])}
        missing = [name for name in trained if name not in known]
        if task not in labelled or (trained and len(missing) == len(trained)):
            notes.append(f"validation does not score {task}: no image of {where} is labelled for it with a class that is trained")
            continue
        scored.append(task)
        if missing:
            notes.append(f"validation does not score the {task} labels {', '.join(missing)}: {where} does not have them")
    if not scored:
        raise ConfigError(
            f"validation: no image of {where} is labelled for {', '.join(config.tasks)} with a class that is trained, so nothing can be "
            "scored; give a folder that is labelled with the names of the training data, or 'share' instead of 'data'"
        )
    return notes


def _seen(folders: Sequence[ImageFolder], held_out: Sequence[ImageFolder]) -> list[str]:
    """That images to validate on are trained on too, under whatever name: their score is that of what is known by heart."""
    validated, trained = ([path for folder in side for path in folder.image_files] for side in (held_out, folders))
    both = shared_images(validated, trained)
    if not both:
        return []
    return [
        f"{len(both)} of {len(validated)} images to validate on are trained on too ({both[0][0]} is {both[0][1]}): scores say nothing of others"
    ]


def _check_labels(config: TrainingConfig, folders: Sequence[ImageFolder]) -> None:
    labelled = {task for folder in folders for entry in folder.entries for task in entry.tasks}
    for task in config.tasks:
        if task not in labelled and task not in _kept(config):
            names = ", ".join(map(str, config.data))
            raise ConfigError(
                f"no image of {names} is labelled for task '{task}' (labelled: {', '.join(sorted(labelled)) or 'none of the tasks'}); "
                "leave the task out, or label some"
            )
    for folder in folders:
        if not len(folder):
            raise ConfigError(
                f"data: no image of {folder.root} is labelled for what is trained ({', '.join(config.tasks)}); leave the folder out, or "
                "label some"
            )


def _check_class_lists(config: TrainingConfig, folders: Sequence[ImageFolder]) -> None:
    for task, wanted in config.labels.items():
        known = united([*(folder.labels[task] for folder in folders), _kept(config).get(task, [])])
        missing = [name for name in wanted if name not in known]
        if missing:
            raise ConfigError(
                f"labels: no image has the {task} class '{missing[0]}'; the data have: {', '.join(known)}. Leave it out, or label some"
            )


def check_same_labels(card: ModelCard, sources: Sources) -> None:
    """Raises:
    TrainingError: a run can't go on, because the data have other labels than when it began.
    """
    for name, task in card.tasks.items():
        before, now = (", ".join(labels) for labels in (task.settings.get("labels", []), sources.labels.get(name, [])))
        if before != now:
            raise TrainingError(f"this run began with the {name} labels {before}, the data now have {now}; start over with --restart")


def held_out_samples(config: TrainingConfig, sources: Sources) -> MixedData:
    """An endless stream of the held-out images, for balancing methods that learn from them."""
    return MixedData(sources.held_out, config.data_alpha, config.seed)


def balancing_settings(sources: Sources, task: str, images: int = 300) -> dict[str, Any]:
    """Settings of ``task`` that make up for rare classes, from the first samples."""
    first = (sources.samples[i] for i in range(min(images, sources.images)))
    return TASKS[task].balancing_settings(first, len(sources.labels.get(task, [])))
