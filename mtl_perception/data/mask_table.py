# SPDX-License-Identifier: Apache-2.0
"""The instance masks of a data folder, as they stand in annotations.json: a mask is decoded when it is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtl_perception.data.content import printed
from mtl_perception.data.errors import DataError
from mtl_perception.data.format import ImageEntry
from mtl_perception.data.index import called, read_index
from mtl_perception.data.masks import decode_mask


class MaskTable:
    """Every mask of the data folder ``root``. They take most of annotations.json, so only who wants them reads them.

    Raises:
        DataError: annotations.json can't be understood.
    """

    def __init__(self, root: Path) -> None:
        index = read_index(root, masks=True)
        self._file = index.annotations_file
        self._encoded = [annotation.segmentation or None for annotation in index.annotations]  # pyright: ignore[reportAttributeAccessIssue]
        self._ids = [annotation.id for annotation in index.annotations]
        # Of images without any object there is nothing to mask: they count where the other images have masks.
        masked = {a.image_id for a, encoded in zip(index.annotations, self._encoded, strict=True) if encoded and not a.iscrowd}
        empty = {image.id for image in index.images} - {annotation.image_id for annotation in index.annotations}
        self._images = masked | empty if masked else masked

    def is_known_in(self, image: ImageEntry) -> bool:
        """Whether one of the image's objects has a mask, or it shows none."""
        return image.id in self._images

    def mask(self, place: int, image: ImageEntry) -> np.ndarray | None:
        """(H, W) bool, the mask of the annotation that stands at ``place``, counted from 0; None where it has none.

        Raises:
            DataError: it is damaged.
            ImportError: faster-coco-eval is not installed.
        """
        encoded = self._encoded[place]
        if encoded is None:
            return None
        try:
            return decode_mask(encoded, image.height, image.width)
        except ValueError as error:
            raise DataError(f"{printed(self._file)}: {called(image)}: annotation {self._ids[place]}: {error}") from None
