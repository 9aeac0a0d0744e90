# SPDX-License-Identifier: Apache-2.0
"""Proposals of a network, and how much a picture is worth to be labelled: what the network is unsure of, and what is new."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mtl_perception.prediction.autolabel.looks import fused, mirror, mirrored
from mtl_perception.prediction.autolabel.teachers import Boxes, Teacher

_FEATURES_SIDE = 256
_SEEN = 0.1
"""Least score of a box that counts as something that the network may see."""


@dataclass(frozen=True)
class Proposal:
    """A network's word on one picture.

    Attributes:
        boxes: of its looks at the picture and at its mirror image, fused.
        mask: (H, W) uint8 ids of its regions, 255 where the looks differ; None where it has none.
        doubt: 0 to 1, how unsure it is.
        features: (C,) float32 of length 1, alike for pictures that are alike.
    """

    boxes: Boxes
    mask: np.ndarray | None
    doubt: float
    features: np.ndarray


Features = Callable[[np.ndarray], np.ndarray]


def proposed(teacher: Teacher, features: Features, image_rgb: np.ndarray) -> Proposal:
    """Ask ``teacher`` of a picture and of its mirror image."""
    looks = [teacher(image_rgb, None), mirrored(teacher(*mirror(image_rgb, None)), image_rgb.shape[1])]
    boxes = fused([look.boxes for look in looks if look.boxes is not None]) if "detection" in teacher.labels else Boxes()
    masks = [look.mask for look in looks if look.mask is not None]
    mask = np.where(masks[0] == masks[1], masks[0], 255).astype(np.uint8) if len(masks) == 2 else None
    return Proposal(boxes, mask, doubt(boxes, mask), features(image_rgb))


def doubt(boxes: Boxes, mask: np.ndarray | None) -> float:
    """How unsure a network is of a picture, 0 to 1.

    Of a box with score s it is 4 s (1 - s): most at .5, which is also the score of one that is surely seen by one look of two. To their
    mean comes the share of pixels that the two looks name differently.
    """
    seen = boxes.scores[boxes.scores >= _SEEN].astype(np.float64)
    of_boxes = float((4 * seen * (1 - seen)).mean()) if len(seen) else 0.0
    of_mask = 0.0 if mask is None else float((mask == 255).mean())
    return min(1.0, of_boxes + of_mask)


def most_worth(doubts: np.ndarray, features: np.ndarray, labelled: np.ndarray) -> int | None:
    """The picture to label next: the one that is farthest from all that are labelled (greedy k-centre), weighed by doubt and by how much it is
    like the others (information density, Settles, Active Learning Literature Survey, 2009): the farthest alone is often a bare wall.

    Args:
        doubts: (N,) of all pictures. features: (N, C) of length 1. labelled: (N,) bool.

    Returns:
        Its index; None where all are labelled.
    """
    waiting = np.flatnonzero(~labelled)
    if not len(waiting):
        return None
    distance = 1 - (features[waiting] @ features[labelled].T).max(1) if labelled.any() else 1.0
    density = 1e-3 + np.maximum(features[waiting] @ features.mean(0), 0)
    return int(waiting[(distance * density * (1 + doubts[waiting])).argmax()])


def features_of(model: str) -> Features:
    """Returns a function that gives a model's encoding of a picture as a whole; of an exported file, whose layers are out of reach, its colours.

    Raises:
        CheckpointError, FileNotFoundError: as ``load_checkpoint``.
    """
    from mtl_perception.core.resources import find_model

    path = find_model(model)
    return functools.partial(_encoded, str(path)) if Path(path).suffix == ".safetensors" else _colours


@functools.lru_cache(maxsize=1)
def _network(path: str):
    from mtl_perception.model.checkpoint import load_checkpoint

    network, _ = load_checkpoint(path)
    return network.eval()


def _encoded(path: str, image_rgb: np.ndarray) -> np.ndarray:
    import torch

    network = _network(path)
    small = cv2.resize(image_rgb, (_FEATURES_SIDE, _FEATURES_SIDE), interpolation=cv2.INTER_AREA)
    with torch.inference_mode():
        pyramid = network.pyramids(torch.from_numpy(small).permute(2, 0, 1)[None], list(network.tasks)[:1])
        deepest = next(iter(pyramid.values()))["p5"]
    return _of_length_one(deepest[0].mean((1, 2)).float().numpy())


def _colours(image_rgb: np.ndarray) -> np.ndarray:
    small = cv2.resize(image_rgb, (8, 8), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    return _of_length_one(small - small.mean())


def _of_length_one(values: np.ndarray) -> np.ndarray:
    return (values / max(float(np.linalg.norm(values)), 1e-9)).astype(np.float32)
