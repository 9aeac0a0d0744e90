# SPDX-License-Identifier: Apache-2.0
"""The answers of a teacher about a picture, whatever it is made of."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from mtl_perception.core.geometry import Intrinsics

TASKS = ("detection", "segmentation", "depth")
"""Labels that teachers can make."""

UNSURE = 0.05
"""Boxes below this are of no use even where several looks agree on them."""


@dataclass(frozen=True)
class Boxes:
    """(N, 4) float32 xyxy in pixels of the picture, (N,) scores in (0, 1], (N,) ids of the teacher's labels."""

    boxes_xyxy: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    class_ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.scores)

    def chosen(self, rows: np.ndarray) -> Boxes:
        """Those of ``rows``, a mask or indices."""
        return Boxes(self.boxes_xyxy[rows], self.scores[rows], self.class_ids[rows])


@dataclass(frozen=True)
class Answer:
    """A teacher's word on one picture; None: it does not say.

    Attributes:
        mask: (H, W) uint8 ids of its segmentation labels, 255 where it is not sure.
        depth_m: (H, W) float32, 0 where unknown.
    """

    boxes: Boxes | None = None
    mask: np.ndarray | None = None
    depth_m: np.ndarray | None = None


class Teacher(Protocol):
    """
    Attributes:
        name: of the model, for the data set's description.
        labels: by task, of ``TASKS``, that it can label: class names in the order of their ids; of depth none.
    """

    name: str
    labels: dict[str, list[str]]

    def __call__(self, image_rgb: np.ndarray, intrinsics: Intrinsics | None) -> Answer:
        """Returns its answer to (H, W, 3) uint8 RGB."""
        ...


class NetworkTeacher:
    """One of this project's checkpoints or exported files.

    Raises:
        CheckpointError, BackendError, DeviceError, FileNotFoundError: it can't be used.
    """

    def __init__(self, model: str, device: str = "auto") -> None:
        from mtl_perception.core.resources import find_model
        from mtl_perception.inference.engine import Engine

        self._engine = Engine.load(find_model(model), device)
        self._engine.score_threshold = UNSURE
        card = self._engine.card
        self.name, self.labels = card.name, {task: card.labels_of(task) for task in TASKS if task in card.kinds}

    def __call__(self, image_rgb: np.ndarray, intrinsics: Intrinsics | None) -> Answer:
        scene = self._engine(image_rgb, intrinsics)
        found, mask, depth = scene.detections, scene.segmentation, scene.depth
        return Answer(
            boxes=None if found is None else Boxes(found.boxes_xyxy, found.scores, found.class_ids),
            mask=None if mask is None else mask.mask,
            depth_m=None if depth is None else np.nan_to_num(depth.depth_m, nan=0.0),
        )


@functools.lru_cache(maxsize=1)
def open_teacher(path: str, device: str = "auto") -> Teacher:
    """The teacher that a user names: a model of this project, or a YAML file that describes an ONNX network. It stays open for the
    next call.

    Raises:
        ConfigError, CheckpointError, BackendError, FileNotFoundError: it can't be used; the message says why.
    """
    if Path(path).suffix in (".yaml", ".yml"):
        from mtl_perception.prediction.autolabel.onnx_teacher import OnnxTeacher, read_description

        return OnnxTeacher(*read_description(Path(path)))
    return NetworkTeacher(path, device)
