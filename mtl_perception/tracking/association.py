# SPDX-License-Identifier: Apache-2.0
"""Which detection belongs to which track: similarities, and the assignment that is best as a whole."""

from __future__ import annotations

import numpy as np


def paired_iou(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    """(P,) intersection over union of each box (4, P) with the other's box of the same column; 0 where a box has no area."""
    left, top, right, bottom = first_xyxy
    left_2, top_2, right_2, bottom_2 = second_xyxy
    width = np.minimum(right, right_2) - np.maximum(left, left_2)
    height = np.minimum(bottom, bottom_2) - np.maximum(top, top_2)
    shared = width.clip(min=0) * height.clip(min=0)
    union = (right - left) * (bottom - top) + (right_2 - left_2) * (bottom_2 - top_2) - shared
    return shared / union.clip(min=np.finfo(union.dtype).tiny)


def assign(cost: np.ndarray, limit: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """The one-to-one assignment of rows to columns with the least sum of cost, where leaving a row out costs ``limit``.

    Args:
        cost: (N, M); what is not below ``limit`` (infinity, NaN) is never chosen.

    Returns:
        (K,) rows in rising order and (K,) their columns.
    """
    rows, columns = np.nonzero(cost < limit)
    return assign_pairs(rows, columns, cost[rows, columns], limit)


def assign_pairs(rows: np.ndarray, columns: np.ndarray, cost: np.ndarray, limit: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """``assign`` where (P,) pairs of rows and columns are all that is possible, each for its cost below ``limit``.

    Greedy matching would do for objects far apart, and swaps identities in crowds.
    """
    # Most objects stand alone: one row and one column that know only each other are settled without a search.
    alone = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    found_rows, found_columns = rows[alone], columns[alone]
    if not alone.all():
        from scipy.optimize import linear_sum_assignment  # 0.3 s and 40 MB, which a camera without crowds never pays

        crowded = ~alone
        open_rows, row_of = _numbered(rows[crowded])
        open_columns, column_of = _numbered(columns[crowded])
        # Each row may also go to a column of its own that stands for "nothing".
        whole = np.full((len(open_rows), len(open_columns) + len(open_rows)), np.inf)
        whole[row_of, column_of] = cost[crowded]
        np.fill_diagonal(whole[:, len(open_columns) :], limit)
        chosen = linear_sum_assignment(whole)[1]
        real = chosen < len(open_columns)
        found_rows = np.concatenate([found_rows, open_rows[real]])
        found_columns = np.concatenate([found_columns, open_columns[chosen[real]]])
    order = np.argsort(found_rows)
    return found_rows[order], found_columns[order]


def _numbered(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different ``indices`` in rising order, and for each of them its place there: ``np.unique`` of small numbers,
    without sorting."""
    is_there = np.bincount(indices) > 0
    return np.flatnonzero(is_there), (np.cumsum(is_there) - 1)[indices]
