# SPDX-License-Identifier: Apache-2.0
"""Whether the test images of a report were kept from its networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.shared_images import shared_images
from mtl_perception.studies.plan import PlannedRun, TransferConfig
from mtl_perception.studies.runs import TransferError


def check_unseen(config: TransferConfig, runs: Sequence[PlannedRun]) -> None:
    """Compare the images of the test folder with all that the networks are trained on or chosen by. Frames of a bag are not
    compared.

    Raises:
        TransferError: an image is on both sides; names how many, and one.
        DataError: a folder can't be used.
    """
    if not _is_folder(config.test):
        return
    tested = ImageFolder(config.test).image_files
    for folder in dict.fromkeys(folder for run in runs for folder in _seen_by(run)):
        both = shared_images(tested, ImageFolder(folder).image_files) if _is_folder(folder) else []
        if both:
            one, other = both[0]
            raise TransferError(
                f"test: {len(both)} of {len(tested)} images of {config.test} are also in {folder}, which networks are trained on or chosen by "
                f"({one} is {other}): they would be scored on what they know by heart. Give images of other rooms or drives"
            )


def _seen_by(run: PlannedRun) -> list[Path]:
    validation = run.training.validation
    return [*run.training.data, *((validation.data or []) if validation is not None else [])]


def _is_folder(path: Path) -> bool:
    return (path / "dataset.json").is_file()
