# SPDX-License-Identifier: Apache-2.0
"""Several data folders as one endless stream of samples."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.label_lists import united
from mtl_perception.tasks import LABELS, Sample

_BLOCK = 1024
"""Samples within which every folder has its exact share; also the resolution of shares."""


class MixedData:
    """Draws from several folders, whatever tasks and classes each of them is labelled for.

    A folder with n images gets a share ∝ w·n^``alpha`` of the samples, w being its weight: with weights of 1, ``alpha`` 1 treats all
    images alike, 0 all folders alike, 0.5 lies between. Within a folder no image comes again before every other one came.

    Label lists are united by name. A class that a folder's list lacks is *unlabelled* there, not absent: a detector
    learns nothing of that class from its images. In segmentation the pixels of such a class carry no label (255) and
    teach nothing, while a labelled pixel teaches that it is none of the other classes, also of those that the folder does
    not know. This is right as long as names mean the same everywhere. It does not help where one folder's "wall" includes
    the pictures on it and another's does not: make such lists agree first.

    Attributes:
        folders: the folders, all in the united labels.
        labels: by kind, class names united in the order of their first appearance.
        shares: of the samples, one for each folder, sum 1.

    Args:
        folders: at least one; the order matters for what is drawn.
        alpha: exponent of the share, 0 to 1.
        weights: one for each folder; None: all 1.
        labels: by kind, names to keep, in this order; a kind that is missing keeps all that the folders have.
        seed: other seeds draw in another order.

    Raises:
        ValueError: there is no folder, one is empty, or ``alpha`` is out of range.
    """

    def __init__(
        self,
        folders: Sequence[ImageFolder],
        alpha: float = 1.0,
        seed: int = 0,
        weights: Sequence[float] | None = None,
        labels: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        if not folders:
            raise ValueError("no data folder is given, expected at least one")
        if not 0 <= alpha <= 1:
            raise ValueError(f"the exponent of the folders' shares is {alpha}, expected 0 (folders alike) to 1 (images alike)")
        for folder in folders:
            if not len(folder):
                raise ValueError(f"no image of {folder.root} is left to draw from; split off less of it")
        kinds = [kind for kind, codec in LABELS.items() if codec.has_classes]
        self.labels: dict[str, list[str]] = {kind: united(folder.labels[kind] for folder in folders) for kind in kinds}
        self.labels |= {kind: list(names) for kind, names in (labels or {}).items()}
        self.folders = [self.renamed(folder) for folder in folders]
        self._seed = seed
        factors = weights or [1.0] * len(folders)
        shares = [factor * len(folder) ** alpha for factor, folder in zip(factors, folders, strict=True)]
        self._counts = _apportion(shares, max(_BLOCK, len(folders)))
        self.shares = [count / sum(self._counts) for count in self._counts]

    def renamed(self, folder: ImageFolder) -> ImageFolder:
        """``folder``, such as one to validate on, in the united labels."""
        return folder.with_labels(self.labels)

    def __getitem__(self, i: int) -> Sample:
        """Sample ``i`` of the endless stream, the same for the same seed: a run that goes on at ``i`` misses nothing, and
        processes that take different ``i`` draw different samples.

        Raises:
            DataError: a file of the sample can't be used.
        """
        folder, row = self.locate(i)
        return self.folders[folder][row]

    def locate(self, i: int) -> tuple[int, int]:
        """The folder, and the image in it, that sample ``i`` ≥ 0 is."""
        folder, number = self.draw(i)
        images = len(self.folders[folder])
        pass_, position = divmod(number, images)
        return folder, int(_pass_order(images, self._seed, folder, pass_)[position])

    def draw(self, i: int) -> tuple[int, int]:
        """The folder that sample ``i`` ≥ 0 comes from, and how many samples came from there before."""
        block, place = divmod(i, sum(self._counts))
        folders, ranks = _block_order(tuple(self._counts), self._seed, block)
        folder = int(folders[place])
        return folder, block * self._counts[folder] + int(ranks[place])

    def draws_before(self, i: int) -> list[int]:
        """How many of the samples before ``i`` ≥ 0 come from each folder."""
        block, place = divmod(i, sum(self._counts))
        folders, _ = _block_order(tuple(self._counts), self._seed, block)
        begun = np.bincount(folders[:place], minlength=len(self._counts))
        return [block * count + int(more) for count, more in zip(self._counts, begun, strict=True)]


@functools.lru_cache(maxsize=8)
def _block_order(counts: tuple[int, ...], seed: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Which folder each place of a block draws from, and how many times that folder was drawn before in the block."""
    folders = np.random.default_rng([seed, 0, block]).permutation(np.repeat(np.arange(len(counts)), counts))
    ranks = np.zeros(len(folders), np.int64)
    for folder, count in enumerate(counts):
        ranks[folders == folder] = np.arange(count)
    return folders, ranks


@functools.lru_cache(maxsize=64)
def _pass_order(images: int, seed: int, folder: int, pass_: int) -> np.ndarray:
    return np.random.default_rng([seed, 1, folder, pass_]).permutation(images).astype(np.int32)


def _apportion(weights: Sequence[float], total: int) -> list[int]:
    """``total`` places in proportion to ``weights``, at least one each (largest remainders)."""
    exact = np.array(weights) / sum(weights) * (total - len(weights))
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - len(weights) - counts.sum()]] += 1
    return [int(count) + 1 for count in counts]
