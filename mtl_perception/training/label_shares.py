# SPDX-License-Identifier: Apache-2.0
"""Samples drawn so that a task which few images are labelled for is seen often enough."""

from __future__ import annotations

from collections.abc import Sequence

from mtl_perception.core.yaml_file import ConfigError
from mtl_perception.data.folder import ImageFolder


def balanced_by_labels(
    folders: Sequence[ImageFolder], weights: Sequence[float] | None, alpha: float, task: str, share: float
) -> tuple[list[ImageFolder], list[float]]:
    """The folders cut into what is labelled for ``task`` and what is not, and weights by which ``share`` of the samples is of the former.

    Among the images with the label, and among those without, folders keep the shares that they have to each other.

    Args:
        weights, alpha: of the folders, as for ``MixedData``.
        share: 0 to 1, both excluded.

    Raises:
        ConfigError: all images, or none, are labelled for the task.
    """
    weights = weights or [1.0] * len(folders)
    parts: list[tuple[ImageFolder, bool, float]] = []
    for folder, weight in zip(folders, weights, strict=True):
        drawn = weight * len(folder) ** alpha
        for is_labelled in (True, False):
            chosen = [i for i, entry in enumerate(folder.entries) if (task in entry.tasks) == is_labelled]
            if chosen:
                parts.append((folder.subset(chosen), is_labelled, drawn * len(chosen) / len(folder)))
    totals = {side: sum(drawn for _, is_labelled, drawn in parts if is_labelled == side) for side in (True, False)}
    if not totals[True] or not totals[False]:
        which = "no image is" if not totals[True] else "all images are"
        raise ConfigError(f"label_share: {which} labelled for {task}, so its share can't be chosen; leave it out")
    wanted = {True: share, False: 1 - share}
    factors = [wanted[side] * drawn / totals[side] / len(folder) ** alpha for folder, side, drawn in parts]
    return [folder for folder, _, _ in parts], factors
