# SPDX-License-Identifier: Apache-2.0
"""Whether the test images of a report were kept from its networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.shared_images import shared_images
from mtl_perception.studies.plan import PlannedRun, TransferConfig
from mtl_perception.studies.runs import TransferError


def check_unseen(config: TransferConfig, runs: Sequence[PlannedRun]) -> None:
    """Compare the images of the test folders with all that the networks are trained on or chosen by, and, where learning rates are chosen,
    those that choose with those that train. Frames of a bag are not compared.

    Raises:
        TransferError: an image is on both sides; names how many, and one.
        DataError: a folder can't be used.
    """
    if config.rates:
        _check_chosen_on_unseen(runs)
    seen = dict.fromkeys(folder for run in runs for folder in _seen_by(run))
    for test in filter(_is_folder, config.test):
        _check_unseen(test, seen)


def _check_unseen(test: Path, seen: Iterable[Path]) -> None:
    tested = ImageFolder(test).image_files
    for folder in seen:
        both = shared_images(tested, ImageFolder(folder).image_files) if _is_folder(folder) else []
        if both:
            one, other = both[0]
            raise TransferError(
                f"test: {len(both)} of {len(tested)} images of {test} are also in {folder}, which networks are trained on or chosen by "
                f"({one} is {other}): they would be scored on what they know by heart. Give images of other rooms or drives"
            )


def _check_chosen_on_unseen(runs: Sequence[PlannedRun]) -> None:
    pairs = [(chosen, trained) for run in runs for chosen in _chosen_by(run) for trained in run.training.data]
    for chosen, trained in dict.fromkeys(pairs):
        both = shared_images(ImageFolder(chosen).image_files, ImageFolder(trained).image_files) if _is_folder(chosen) else []
        if both:
            raise TransferError(
                f"validation: {len(both)} images of {chosen}, by which learning rates are chosen, are also in {trained}, which networks "
                f"are trained on ({both[0][0]} is {both[0][1]}): they would choose what is known by heart. Give images of other rooms or drives"
            )


def _seen_by(run: PlannedRun) -> list[Path]:
    return [*run.training.data, *_chosen_by(run)]


def _chosen_by(run: PlannedRun) -> list[Path]:
    return (run.training.validation.data or []) if run.training.validation is not None else []


def _is_folder(path: Path) -> bool:
    return (path / "dataset.json").is_file()
