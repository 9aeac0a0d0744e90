# SPDX-License-Identifier: Apache-2.0
"""The instance masks of a data folder; no program reads them, tests compare them."""

from __future__ import annotations

import numpy as np

from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.index import read_index
from mtl_perception.data.masks import decode_mask


def instance_masks(folder: ImageFolder, i: int) -> np.ndarray:
    """(N, H, W) bool, the visible pixels of the annotations of sample ``i`` in the order of annotations.json; all False where one
    has no mask. Crowds are left out."""
    entry = folder.entries[i]
    index = read_index(folder.root, masks=True)
    crowds = {a.category_id for a in index.annotations if a.image_id == entry.id and a.iscrowd}
    names = {index.categories[category] for category in crowds}
    listed = folder.labels["detection"]
    own = [a for a in index.annotations if a.image_id == entry.id and index.categories[a.category_id] in set(listed) - names]
    masks = [decode_mask(a.segmentation, entry.height, entry.width) for a in own]
    return np.array(masks, bool).reshape(-1, entry.height, entry.width)
