# SPDX-License-Identifier: Apache-2.0
"""Four images as one: more objects, smaller ones, and in other surroundings, where labelled images are few."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from mtl_perception.data.augmentation import random_view
from mtl_perception.tasks import LABELS, Sample, Tile, tiled_map

TILES = 4
_CENTRE = 0.3, 0.7
"""Where the four meet, as shares of the sides."""


def can_be_tiled(tasks: Iterable[str]) -> bool:
    """Whether labels of all these tasks make sense in an image of several scenes; depth does not."""
    return all(LABELS[task].can_be_tiled for task in tasks)


def mosaic(samples: Sequence[Sample], width: int, height: int, max_zoom: float, rng: np.random.Generator) -> Sample:
    """Random windows of four samples of one data folder side by side, as an image of ``width`` × ``height`` (Bochkovskiy et al.,
    arXiv:2004.10934). They meet at a random point near the centre.

    The intrinsics are those of the first one; they have no meaning for the others.

    Args:
        samples: four that are labelled for the same tasks, which ``can_be_tiled``.
        max_zoom: as in ``random_view``, of each window.
    """
    right, below = (round(length * rng.uniform(*_CENTRE)) for length in (width, height))
    tiles = [
        Tile(left, top, across, down)
        for top, down in ((0, below), (below, height - below))
        for left, across in ((0, right), (right, width - right))
    ]
    views = [random_view(sample, tile.width, tile.height, max_zoom, rng) for sample, tile in zip(samples, tiles, strict=True)]
    # An image whose classes nobody asks for has no label of the kind, though it is listed for the task.
    kinds = [kind for kind in views[0].labels if all(kind in view.labels for view in views)]
    labels = {kind: LABELS[kind].tiled([view.labels[kind] for view in views], tiles) for kind in kinds}
    camera = replace(views[0].intrinsics, width=width, height=height)
    return replace(views[0], image=tiled_map([view.image for view in views], tiles), intrinsics=camera, labels=labels)
