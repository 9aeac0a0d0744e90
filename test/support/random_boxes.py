# SPDX-License-Identifier: Apache-2.0
"""Found and true boxes for measures of detection."""

import numpy as np

LABELS = ["cup", "chair", "table", "bin"]


def random_boxes(rng, count):
    top_left = rng.uniform(0, 500, (count, 2))
    return np.hstack([top_left, top_left + rng.uniform(4, 200, (count, 2))])


def random_images(rng, images):
    """Per image: boxes, scores, ids, true boxes, true ids; most found boxes are shaken true ones."""
    for _ in range(images):
        true_boxes = random_boxes(rng, rng.integers(0, 9))
        true_ids = rng.integers(0, 3, len(true_boxes))  # nothing is ever a bin
        kept = rng.random(len(true_boxes)) < 0.8
        shaken = true_boxes[kept] + rng.normal(0, 3, (kept.sum(), 4))
        noise = random_boxes(rng, rng.integers(0, 120))
        boxes = np.vstack([shaken, noise])
        ids = np.concatenate([true_ids[kept], rng.integers(0, 4, len(noise))])
        order = rng.permutation(len(boxes))
        scores = np.concatenate([rng.uniform(0.3, 1, len(shaken)), rng.uniform(0, 0.6, len(noise))])
        yield boxes[order], scores[order].astype(np.float32), ids[order], true_boxes, true_ids
