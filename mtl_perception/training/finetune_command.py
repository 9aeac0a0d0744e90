# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception finetune``: what a run of it is, from what a user says and what the model and the data are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.label_lists import united
from mtl_perception.model.checkpoint import ModelCard
from mtl_perception.model.encoders import TIMM
from mtl_perception.tasks import LABELS, TASKS
from mtl_perception.training.config import ConfigError, TrainingConfig
from mtl_perception.training.finetuning import kept_labels, start_card
from mtl_perception.training.grafting import graft
from mtl_perception.training.loop import train

HELD_OUT = 0.15
"""Share of the groups that is validated on where no folder is given for it."""

VALIDATIONS = 4
"""In the time of a run."""

SHARED_STAGES = 4
"""Of the encoder, under the network and its branch."""

LEARNING_RATE = 1e-3
BRANCH_LEARNING_RATE = 3e-3
"""For the whole branch: nothing that it forgets is missed."""

FEWEST_HELD_OUT = 10
"""Pictures that can tell which weights of a branch are the best. Where it would be fewer, all are trained on: of 24, every one is needed."""


@dataclass(frozen=True)
class FinetuneOptions:
    """Options of the command; None: what suits the model and the data.

    Attributes:
        replay: folders that show what the model has learned from.
        validation: folders to score on instead of a part of the data.
        classes: of the new data, the names to learn; the others stay unlabelled.
        rates: factors of the learning rate, by part.
        branch: whether new classes of boxes get a branch beside the frozen network; None: where the data are labelled for nothing else.
    """

    out: Path
    replay: Sequence[Path] = ()
    validation: Sequence[Path] = ()
    classes: Sequence[str] | None = None
    tasks: Sequence[str] | None = None
    branch: bool | None = None
    minutes: float | None = None
    steps: int | None = None
    batch_size: int = 16
    learning_rate: float | None = None
    freeze: Sequence[str] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    distillation: float = 1.0
    patience: int | None = 3
    width: int | None = None
    height: int | None = None
    device: str = "auto"
    workers: int = 1
    threads: int | None = None
    seed: int = 0


def finetune(model: str, data: Sequence[Path], options: FinetuneOptions, console: Console, restart: bool = False) -> Path:
    """Teach ``model`` what ``data`` are labelled for, and keep what it knows; go on where an earlier call was cut off.

    Returns:
        The checkpoint, ``options.out``.

    Raises:
        CheckpointError, DataError, ConfigError: the model, the data or an option can't be used; before anything is trained.
        KeyboardInterrupt, TrainingError, OSError: as ``train``.
    """
    config, notes = configuration(model, data, options)
    for note in notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    trained = train(config, console, restart)
    if trained != options.out:
        graft(Path(model), trained, options.out)
        (classes,) = config.labels.values()
        console.print(f"wrote {options.out}: {model} with a branch for {', '.join(classes)}", highlight=False, soft_wrap=True)
    return options.out


def configuration(model: str, data: Sequence[Path], options: FinetuneOptions) -> tuple[TrainingConfig, list[str]]:
    """The training run that this is, and what a user should know of it. What a branch is made of has an output of its own.

    Raises:
        CheckpointError, DataError, ConfigError: as ``finetune``.
    """
    out = options.out
    if out.suffix != ".safetensors" or out.is_dir():
        raise ConfigError(f"--out is {out}, expected the new model's file, whose name ends with .safetensors")
    start = Path(model)
    card = start_card(start)
    known = kept_labels(card)
    folders = [ImageFolder(path) for path in data]
    new = _new_labels(folders, options, card)
    branched = next(task for task in TASKS if TASKS[task].can_branch)
    is_branch = _gets_branch(options, card, branched, new)
    tasks = [branched] if is_branch else _tasks(card, new, options.tasks)
    held_out, notes = _held_out(folders, tasks, options, FEWEST_HELD_OUT if is_branch else 0)
    length = {"steps": options.steps} if options.steps is not None else {"minutes": options.minutes or 8.0}
    settings: dict[str, Any] = {
        "variant": "lite",
        "architecture": card.architecture.every_part(),
        "data": [*data, *options.replay],
        "data_alpha": 0.0,
        "data_weights": [1 / len(data)] * len(data) + [1 / max(1, len(options.replay))] * len(options.replay),
        "start_from": start,
        **length,
        "stages": [
            {
                "until": 1.0,
                "width": options.width or card.input_width,
                "height": options.height or card.input_height,
                "batch_size": options.batch_size,
                "max_zoom": 1.8,
            }
        ],
        "tasks": {task: TASKS[task].default_weight for task in tasks},
        "warmup_steps": 20,
        "ema_decay": 0.99,
        "weight_decay": 0.01,
        "cache": True,
        "workers": options.workers,
        "threads": options.threads,
        "device": options.device,
        "seed": options.seed,
        "log_every_steps": 10,
        "save_every_minutes": 1.0,
        "tensorboard": False,
        "validation": held_out,
    }
    if is_branch:
        own, ways = _of_branch(branched, known, new, options)
    else:
        own, ways = _of_all(known, new, tasks, options, held_out is not None)
    return TrainingConfig.model_validate(settings | own | {"name": options.out.stem}), [*ways, *notes]


def _rate(options: FinetuneOptions, usual: float) -> float:
    return usual if options.learning_rate is None else options.learning_rate


def _gets_branch(options: FinetuneOptions, card: ModelCard, task: str, new: Mapping[str, Sequence[str]]) -> bool:
    """Whether the new classes of ``task`` get a branch: where somebody says so, or nothing else could be meant.

    Raises:
        ConfigError: a branch is wanted, and can't be had or would ignore another option.
    """
    other = [name for name in ("freeze", "rates", "replay", "tasks") if getattr(options, name)]
    other += ["distillation"] if options.distillation != FinetuneOptions.distillation else []
    boxes = _new_classes({task: card.labels_of(task)}, {task: new.get(task, [])})
    can_branch = task in card.tasks and card.architecture.sharing.method == "hard" and not card.architecture.encoder.startswith(TIMM)
    if options.branch is None:
        return list(new) == [task] and len(boxes) == len(new[task]) and not other and can_branch
    if options.branch and other:
        raise ConfigError(f"a branch leaves the rest of the network as it is, so --{other[0]} would do nothing; leave it or --branch out")
    if options.branch and not boxes:
        raise ConfigError("--branch is for new classes of boxes, and the data have none that the model does not know; leave it out")
    if options.branch and not can_branch:
        raise ConfigError(
            "--branch needs a model that detects, with one encoder made of stages under all tasks (sharing: hard); leave it out"
        )
    return bool(options.branch)


def _of_branch(
    task: str, known: Mapping[str, Sequence[str]], new: Mapping[str, Sequence[str]], options: FinetuneOptions
) -> tuple[dict[str, Any], list[str]]:
    """Settings that are special to a branch, and what is to be said of it. The new classes alone are trained, in a copy with frozen stages."""
    classes = {task: _new_classes(known, {task: new[task]})}
    unused = [
        *(name for name in new[task] if name not in classes[task]),
        *(f"labels of {other}" for other in new if other != task),
    ]
    notes = [
        *_said(known, classes),
        "they get a branch of their own, trained in a copy of the model that leaves the other classes behind; in the model itself nothing else "
        "changes (--no-branch trains the whole model)",
        *([f"left out, because a branch learns new classes of boxes alone: {', '.join(unused)}"] if unused else []),
    ]
    settings = {
        "labels": classes,
        "output": options.out.with_suffix("") / "branch.safetensors",
        "frozen_stages": SHARED_STAGES,
        "learning_rate": _rate(options, BRANCH_LEARNING_RATE),
    }
    return settings, notes


def _of_all(
    known: Mapping[str, Sequence[str]],
    new: Mapping[str, Sequence[str]],
    tasks: Sequence[str],
    options: FinetuneOptions,
    is_validated: bool,
) -> tuple[dict[str, Any], list[str]]:
    """Settings that are special to a network that is trained as a whole, and what is to be said of it. Distillation keeps what it knows."""
    labels = {task: united([known.get(task, []), new.get(task, [])]) for task in tasks}
    settings = {
        "labels": {task: names for task, names in labels.items() if names},
        "output": options.out,
        "learning_rate": _rate(options, LEARNING_RATE),
        "encoder_rate": 0.1,
        "finetuning": {
            "replay": list(options.replay),
            "distillation": options.distillation,
            "freeze": list(options.freeze),
            "rates": {"neck": 0.3, **({"classes": 10.0} if _new_classes(known, labels) else {}), **options.rates},
            "patience": options.patience if is_validated else None,
        },
    }
    return settings, _said(known, labels)


def _new_labels(folders: Sequence[ImageFolder], options: FinetuneOptions, card: ModelCard) -> dict[str, list[str]]:
    """By task that any picture is labelled for, the class names to learn from the data. Labels that are made of others count where somebody
    asks for them, or the model has their task."""
    found: dict[str, list[str]] = {}
    asked = {*(options.tasks or []), *card.tasks}
    for task in TASKS:
        if LABELS[task].place == "made" and task not in asked:
            continue
        labelled = [folder for folder in folders if len(folder.with_tasks([task]))]
        if labelled:
            found[task] = united(folder.labels.get(task, []) for folder in labelled)
    if not found:
        raise ConfigError(
            f"no picture of {', '.join(str(folder.root) for folder in folders)} is labelled for any of {', '.join(TASKS)}; "
            "label some, or import a labelled set (mtl-perception import)"
        )
    if options.classes is None:
        return found
    names = united(found.values())
    for name in options.classes:
        if name not in names:
            raise ConfigError(f"--classes: '{name}' is no class of the data; they have: {', '.join(names)}")
    return {task: [name for name in of_task if name in options.classes] for task, of_task in found.items()}


def _tasks(card: ModelCard, new: Mapping[str, Sequence[str]], wanted: Sequence[str] | None) -> list[str]:
    """All of the model's, then those that come with the data."""
    for task in wanted or []:
        if task not in new and task not in card.tasks:
            raise ConfigError(f"--tasks: no picture is labelled for '{task}'; the data are labelled for {', '.join(new)}")
    return [*card.tasks, *(task for task in new if task not in card.tasks and (wanted is None or task in wanted))]


def _held_out(
    folders: Sequence[ImageFolder], tasks: Sequence[str], options: FinetuneOptions, fewest: int
) -> tuple[dict[str, Any] | None, list[str]]:
    """Section ``validation`` of the run, and what is to be said of it.

    Args:
        fewest: pictures that are worth holding out.
    """
    how_often: dict[str, Any] = {"images": 40, "pictures": 0}
    if options.steps is not None:
        how_often["every_steps"] = max(1, options.steps // VALIDATIONS)
    else:
        how_often["every_minutes"] = (options.minutes or 8.0) / VALIDATIONS
    if options.validation:
        return {"data": list(options.validation), **how_often}, []
    alone = [folder for folder in folders if len({entry.group for entry in folder.with_tasks(tasks).entries}) < 2]
    if alone:
        names = ", ".join(str(folder.root) for folder in alone)
        return None, [
            f"{names}: all pictures are of one group (one room, one drive), so none can be held out, and nothing is validated; "
            "the last weights are kept. Give a folder with --validation"
        ]
    pictures = sum(len(folder.with_tasks(tasks)) for folder in folders)
    if HELD_OUT * pictures < fewest:
        return None, [
            f"{pictures} pictures are too few to hold some out, so all are trained on; --validation takes others to score the model on"
        ]
    return {"share": HELD_OUT, **how_often}, []


def _said(known: Mapping[str, Sequence[str]], labels: Mapping[str, Sequence[str]]) -> list[str]:
    """Which tasks and classes are new, and which may be old ones in another spelling."""
    notes = []
    for task, names in labels.items():
        if task not in known:
            notes.append(f"{task} is a new task" + (f": {', '.join(names)}" if names else ""))
            continue
        new = _new_classes({task: known[task]}, {task: names})
        if new:
            notes.append(f"new classes of {task}: {', '.join(new)}; {len(known[task])} are kept")
        spelt = {_plain(name): name for name in known[task]}
        notes += [
            f"class '{name}' is new, though the model knows '{spelt[_plain(name)]}'; if it is the same, rename it "
            "(mtl-perception import own DATA --classes classes.yaml)"
            for name in new
            if _plain(name) in spelt
        ]
    return notes


def _new_classes(known: Mapping[str, Sequence[str]], labels: Mapping[str, Sequence[str]]) -> list[str]:
    """Those that tasks of the model get; the classes of a new task have a head of their own, which is new as a whole."""
    return [name for task, names in labels.items() if task in known for name in names if name not in known[task]]


def _plain(name: str) -> str:
    return "".join(one for one in name.casefold() if one.isalnum())
