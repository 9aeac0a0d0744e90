# SPDX-License-Identifier: Apache-2.0
"""Where labels are in the picture that is kept: which size and which way up they were drawn for, and how they are moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.image_file import Header, turned, turned_points, turned_size
from mtl_perception.data.importers.labelled import Notes, Picture
from mtl_perception.data.importers.shapes import Encoded
from mtl_perception.data.masks import decode_mask, encode_mask

_SAME_ASPECT = 0.02


class Frame(NamedTuple):
    """The picture as its labels see it: ``size``, then scaled to ``true_size``, then turned by ``orientation``."""

    size: tuple[int, int]
    true_size: tuple[int, int]
    orientation: int

    @property
    def scale(self) -> tuple[float, float]:
        return self.true_size[0] / self.size[0], self.true_size[1] / self.size[1]


def frame_of(picture: Picture, header: Header, rescale: bool, notes: Notes) -> Frame:
    stored, upright = (header.width, header.height), header.upright_size
    said = picture.size
    if header.orientation != 1:
        notes.add("pictures that were turned upright by their EXIF orientation, and so compressed anew", picture.name)
        if said is None or (said == stored and said == upright):
            notes.add(
                "of these, labels whose size does not tell on which way up they were drawn: taken as drawn on the "
                + ("upright picture" if picture.labels_are_upright else "stored picture"),
                picture.name,
            )
    as_upright = Frame(upright, upright, 1)
    as_stored = Frame(stored, stored, header.orientation)
    if said is None or said == upright == stored:
        return as_upright if picture.labels_are_upright else as_stored
    if said == upright:
        return as_upright
    if said == stored:
        return as_stored
    if rescale:
        true = upright if picture.labels_are_upright else stored
        if abs(said[0] / said[1] / (true[0] / true[1]) - 1) > _SAME_ASPECT:
            raise DataError(
                f"{named(picture)}: labels are for {said[0]}x{said[1]}, the picture is of {true[0]}x{true[1]}: of another "
                "shape, so it was not only resized; bring the picture that was labelled",
                "size",
            )
        notes.add("pictures of another size than their labels say: labels were scaled (--rescale)", picture.name)
        return Frame(said, true, 1 if picture.labels_are_upright else header.orientation)
    raise DataError(
        f"{named(picture)}: labels are for {said[0]}x{said[1]}, the picture is of {upright[0]}x{upright[1]}; "
        "bring the picture that was labelled, or give --rescale if it was only resized",
        "size",
    )


def named(picture: Picture) -> str:
    return f"{picture.name} ({picture.where})" if picture.where else picture.name


def placed_box(box: Sequence[float], frame: Frame, is_normalized: bool) -> tuple[float, float, float, float]:
    sx, sy = frame.true_size if is_normalized else frame.scale
    x1, y1, x2, y2 = box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy
    if frame.orientation != 1:
        (x1, y1), (x2, y2) = turned_points(np.array([[x1, y1], [x2, y2]]), frame.true_size, frame.orientation).tolist()
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def placed_shape(encoded: Encoded, frame: Frame, is_normalized: bool) -> Encoded:
    """In the upright picture."""
    if isinstance(encoded, list):
        sx, sy = frame.true_size if is_normalized else frame.scale
        if (sx, sy) == (1, 1) and frame.orientation == 1:
            return encoded
        placed = []
        for part in encoded:
            xy = np.array(part, np.float64).reshape(-1, 2) * (sx, sy)
            if frame.orientation != 1:
                xy = turned_points(xy, frame.true_size, frame.orientation)
            placed.append(xy.round(2).ravel().tolist())
        return placed
    if frame.size == frame.true_size and frame.orientation == 1:
        return encoded
    mask = decode_mask(encoded, frame.size[1], frame.size[0]).astype(np.uint8)
    if frame.size != frame.true_size:
        mask = cv2.resize(mask, frame.true_size, interpolation=cv2.INTER_NEAREST)
    return encode_mask(turned(mask, frame.orientation).astype(bool))


def placed_map(values: np.ndarray, frame: Frame, picture: Picture, what: str) -> np.ndarray:
    """A label image in the upright picture."""
    found = (values.shape[1], values.shape[0])
    upright = turned_size(frame.true_size, frame.orientation)
    if found == frame.size:
        if frame.size != frame.true_size:
            values = cv2.resize(values, frame.true_size, interpolation=cv2.INTER_NEAREST)
        return turned(values, frame.orientation)
    if found == upright:
        return values
    raise DataError(
        f"{named(picture)}: its {what} image is of {found[0]}x{found[1]}, the picture of {upright[0]}x{upright[1]}; "
        "bring those that belong together",
        "size",
    )
