# SPDX-License-Identifier: Apache-2.0
"""Higher order tracking accuracy (HOTA: Luiten et al., International Journal of Computer Vision 129, 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mtl_perception.tracking.association import assign

THRESHOLDS = np.arange(1, 20) * 0.05
"""Overlaps from which on a found box counts as the true one; scores are means over them."""


class Frame(NamedTuple):
    """One image of a sequence.

    Attributes:
        true_ids: (M,) int, who is there.
        found_ids: (N,) int, which tracks were found.
        similarity: (M, N) 0 to 1, overlap of boxes; 0 for pairs that can't be one, as those of different classes.
    """

    true_ids: np.ndarray
    found_ids: np.ndarray
    similarity: np.ndarray


def hota(sequences: Sequence[Sequence[Frame]]) -> dict[str, float]:
    """HOTA with what it is made of: detection (DetA) and association (AssA) accuracy, and how well boxes sit (LocA).

    Args:
        sequences: each with ids of its own; their counts are added up.

    Returns:
        Means over ``THRESHOLDS``, 0 to 1; NaN if there is neither truth nor a track.
    """
    counts = [_counts(sequence) for sequence in sequences]
    hits, missed, wrong, aligned, overlap = np.sum(counts, axis=0) if counts else np.zeros((5, len(THRESHOLDS)))
    if not (hits + missed + wrong).any():
        return dict.fromkeys(("HOTA", "DetA", "AssA", "LocA"), float("nan"))
    detection = hits / (hits + missed + wrong)
    association = aligned / np.maximum(1, hits)
    location = np.where(hits > 0, overlap / np.maximum(1, hits), 1.0)
    return {
        "HOTA": float(np.sqrt(detection * association).mean()),
        "DetA": float(detection.mean()),
        "AssA": float(association.mean()),
        "LocA": float(location.mean()),
    }


def _counts(frames: Sequence[Frame]) -> np.ndarray:
    """(5, thresholds): hits, misses, false alarms, sum of the hits' association accuracy, sum of their overlap."""
    true_rows = _rows(frame.true_ids for frame in frames)
    found_rows = _rows(frame.found_ids for frame in frames)
    pairs = np.zeros((len(true_rows), len(found_rows)))
    true_count, found_count = np.zeros((len(true_rows), 1)), np.zeros((1, len(found_rows)))
    indexed = []
    for frame in frames:
        rows = np.array([true_rows[i] for i in frame.true_ids.tolist()], int)
        columns = np.array([found_rows[i] for i in frame.found_ids.tolist()], int)
        indexed.append((rows, columns, frame.similarity))
        true_count[rows] += 1
        found_count[0, columns] += 1
        union = frame.similarity.sum(0, keepdims=True) + frame.similarity.sum(1, keepdims=True) - frame.similarity
        share = np.divide(frame.similarity, union, out=np.zeros_like(union), where=union > 1e-12)
        pairs[np.ix_(rows, columns)] += share
    # Boxes are matched so that pairs that belong together over the whole sequence are preferred.
    belonging = pairs / np.maximum(true_count + found_count - pairs, 1e-12)

    totals = np.zeros((5, len(THRESHOLDS)))
    matched = np.zeros((len(THRESHOLDS), *pairs.shape))
    for rows, columns, similarity in indexed:
        chosen, partners = assign(1 - belonging[np.ix_(rows, columns)] * similarity, limit=1.0)
        overlap = similarity[chosen, partners]
        is_hit = overlap >= THRESHOLDS[:, None] - 1e-9
        hits = is_hit.sum(1)
        totals[0] += hits
        totals[1] += len(rows) - hits
        totals[2] += len(columns) - hits
        totals[4] += (is_hit * overlap).sum(1)
        matched[:, rows[chosen], columns[partners]] += is_hit
    accuracy = matched / np.maximum(1, true_count + found_count - matched)
    totals[3] = (matched * accuracy).sum((1, 2))
    return totals


def _rows(ids_of_frames) -> dict[int, int]:
    return {id: row for row, id in enumerate(sorted({id for ids in ids_of_frames for id in ids.tolist()}))}
