# SPDX-License-Identifier: Apache-2.0
"""Objects in colours that their materials don't come in, so that a network learns shapes rather than a renderer's materials."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from mtl_perception.core.scene import UNLABELLED
from mtl_perception.tasks import LABELS, Sample

_CLASSES = 0.35
"""Share of the classes in an image that change."""


def recolored(sample: Sample, rng: np.random.Generator) -> Sample:
    """``sample`` with the channels of some of its classes mixed anew; light, shade and pattern stay. Without a mask, itself."""
    mask = next((ids for kind, label in sample.labels.items() if (ids := LABELS[kind].regions(label)) is not None), None)
    if mask is None:
        return sample
    image = sample.image.copy()
    counts = np.bincount(mask.ravel(), minlength=UNLABELLED + 1)[:UNLABELLED]
    for class_id in np.flatnonzero(counts):
        if rng.uniform() < _CLASSES:
            region = mask == class_id
            # Each new channel is a mean of the old ones, brighter or darker: what was lit stays lit.
            mixed = rng.dirichlet((0.5, 0.5, 0.5), 3) * rng.uniform(0.6, 1.4, (3, 1))
            image[region] = cv2.transform(image[region][None], mixed)[0]
    return replace(sample, image=image)
