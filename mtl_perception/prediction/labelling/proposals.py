# SPDX-License-Identifier: Apache-2.0
"""Proposals for all pictures of a folder, made one by one in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable

import cv2
import numpy as np

from mtl_perception.core.boxes import box_iou
from mtl_perception.core.scene import Detections
from mtl_perception.data.errors import DataError
from mtl_perception.data.pixels import read_rgb
from mtl_perception.pipeline.options import PipelineOptions
from mtl_perception.pipeline.pipeline import published_detections
from mtl_perception.prediction.autolabel.teachers import Boxes, Teacher
from mtl_perception.prediction.labelling.store import LabelStore
from mtl_perception.prediction.labelling.worth import Features, most_worth, proposed

SAME_IOU = 0.5


class Proposals:
    """A network's answers on each picture, as far as it has been asked.

    Args:
        teacher, features: None: there is no network; pictures then come in the order of their names.
        score: least one of a box that is shown.
    """

    def __init__(self, store: LabelStore, teacher: Teacher | None, features: Features | None, score: float = 0.3) -> None:
        self._store, self._teacher, self._features, self._score = store, teacher, features, score
        self._asking, self._ended = threading.Lock(), threading.Event()
        self._boxes: dict[str, Boxes] = {}
        self._masks: dict[str, bytes] = {}
        self._worth: dict[str, tuple[float, np.ndarray]] = {}
        self.broken: dict[str, str] = {}
        self._thread = threading.Thread(target=self._ask_all, name="proposals", daemon=True)

    def start(self, on_picture: Callable[[], None] = lambda: None) -> None:
        """Begin to ask."""
        self._on_picture = on_picture
        if self._teacher is not None:
            self._thread.start()

    def close(self) -> None:
        """Stop asking; waits for the picture at hand."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def known(self) -> int:
        """How many pictures the network has been asked of."""
        return len(self._worth)

    def boxes(self, name: str) -> list[dict]:
        """Proposed boxes of classes that the folder has, without those of objects that have a box, and one of each object: ``label``, ``bbox``,
        ``score``."""
        if self._teacher is None or not self._ask(name):
            return []
        said, names = self._boxes[name], self._teacher.labels.get("detection", [])
        wanted = (said.scores >= self._score) & np.isin(
            said.class_ids, [i for i, label in enumerate(names) if label in self._store.classes]
        )
        chosen = said.chosen(wanted)
        boxes = Detections(chosen.boxes_xyxy, chosen.scores, chosen.class_ids)
        found = published_detections(boxes, PipelineOptions(score_threshold=self._score))
        there = self._store.objects(name)
        drawn = np.array([[x, y, x + w, y + h] for x, y, w, h in (obj["bbox"] for obj in there)], np.float32).reshape(-1, 4)
        overlaps = box_iou(found.boxes_xyxy, drawn) if len(found) and len(drawn) else np.zeros((len(found), len(drawn)))
        rows = []
        for i in range(len(found)):
            if not (overlaps[i] > SAME_IOU).any():
                left, top, right, bottom = (round(float(value), 2) for value in found.boxes_xyxy[i])
                bbox = [left, top, round(right - left, 2), round(bottom - top, 2)]
                rows.append({"label": names[found.class_ids[i]], "bbox": bbox, "score": round(float(found.scores[i]), 3)})
        return rows

    def mask(self, name: str) -> bytes | None:
        """A PNG of proposed regions in the ids of the folder; None without any."""
        if self._teacher is None or not self._ask(name) or name not in self._masks:
            return None
        return self._masks[name]

    def next(self, skipped: frozenset[str] = frozenset()) -> str | None:
        """The picture to label next, none of ``skipped`` if there is another; None: all are done."""
        waiting = [name for name in self._store.pictures if not self._store.is_done(name) and name not in self.broken]
        waiting = [name for name in waiting if name not in skipped] or waiting
        if not waiting:
            return None
        worth = dict(self._worth)
        known = [name for name in worth if self._store.is_done(name)] + [name for name in waiting if name in worth]
        if not any(name in worth for name in waiting):
            return waiting[0]
        still = set(waiting)
        labelled = np.array([name not in still for name in known])
        chosen = most_worth(np.array([worth[name][0] for name in known]), np.stack([worth[name][1] for name in known]), labelled)
        assert chosen is not None
        return known[chosen]

    def _ask_all(self) -> None:
        for name in self._store.pictures:
            if self._ended.is_set():
                return
            self._ask(name)
            self._on_picture()

    def _ask(self, name: str) -> bool:
        """Whether there is an answer on this picture now."""
        if name in self._worth:
            return True
        assert self._teacher is not None and self._features is not None
        with self._asking:
            if name in self._worth or name in self.broken:
                return name in self._worth
            try:
                image = read_rgb(self._store.image_file(name), *self._store.size(name))
            except DataError as error:
                self.broken[name] = str(error)
                return False
            proposal = proposed(self._teacher, self._features, image)
            self._boxes[name] = proposal.boxes
            if proposal.mask is not None:
                own, here = self._teacher.labels["segmentation"], self._store.mask_classes
                table = np.full(256, 255, np.uint8)
                table[: len(own)] = [here.index(label) if label in here else 255 for label in own]
                self._masks[name] = cv2.imencode(".png", cv2.LUT(proposal.mask, table))[1].tobytes()
            self._worth[name] = proposal.doubt, proposal.features
            return True
