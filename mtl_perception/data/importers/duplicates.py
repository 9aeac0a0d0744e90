# SPDX-License-Identifier: Apache-2.0
"""Finds pictures that are the same, or nearly: copies, other compressions, other sizes, neighbouring frames."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

NEAR_BITS = 3
"""Fingerprints of pictures of one scene from one place differ by at most so many of their 64 bits."""
_SIDE = 32
_FLAT_STD = 4.0


def perceptual_hash(grey: np.ndarray) -> int | None:
    """64 bits that stay nearly the same when a picture is resized, compressed or made a little brighter.

    The signs of the lowest frequencies of the picture's cosine transform, against their median (pHash).

    Args:
        grey: (H, W) uint8, of any size.

    Returns:
        None where the picture is too flat to tell it from others.
    """
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < _FLAT_STD:
        return None
    low = cv2.dct(small)[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def same_or_near(digests: Sequence[str], hashes: Sequence[int | None], bits: int = NEAR_BITS) -> list[list[int]]:
    """Groups of at least two pictures that are the same or near each other; near neighbours are joined into one group.

    Args:
        digests: of the files' content.
        hashes: ``perceptual_hash`` of each.
        bits: how many bits near ones may differ in, at most.

    Returns:
        Indices, ascending; the groups in the order of their first.
    """
    parent = list(range(len(digests)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def join(i: int, j: int) -> None:
        i, j = root(i), root(j)
        parent[max(i, j)] = min(i, j)

    first_of: dict[object, int] = {}
    for i, (digest, value) in enumerate(zip(digests, hashes, strict=True)):
        join(i, first_of.setdefault(digest, i))
        if value is not None:
            join(i, first_of.setdefault(value, i))
    values = np.array([value for value in first_of if isinstance(value, int)], np.uint64)
    for one, other in _near_pairs(values, bits):
        join(first_of[int(values[one])], first_of[int(values[other])])
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(len(digests)):
        groups[root(i)].append(i)
    return [members for members in groups.values() if len(members) > 1]


def _near_pairs(values: np.ndarray, bits: int) -> Iterator[tuple[int, int]]:
    """Pairs of different values that differ in at most ``bits`` bits.

    Of ``bits`` + 1 slices of the 64 bits such a pair has at least one in common, so only values that share a slice are
    compared.
    """
    edges = np.linspace(0, 64, bits + 2).astype(int)
    for low, high in itertools.pairwise(edges):
        part = (values >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(part, kind="stable")
        part, of_part = part[order], values[order]
        first = np.arange(len(values))
        for ahead in range(1, len(values)):  # neighbours that share the slice, then those of them two apart …
            first = first[first + ahead < len(values)]
            first = first[part[first] == part[first + ahead]]
            if len(first) == 0:
                break
            differing = of_part[first] ^ of_part[first + ahead]
            distance = np.unpackbits(differing.view(np.uint8).reshape(-1, 8), axis=1).sum(1)
            for k in first[distance <= bits]:
                yield int(order[k]), int(order[k + ahead])
