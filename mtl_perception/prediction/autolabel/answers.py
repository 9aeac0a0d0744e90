# SPDX-License-Identifier: Apache-2.0
"""A teacher's answers on disk, a file or two for each picture, so that a call that was cut off goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.files import write_atomically
from mtl_perception.core.unfinished import Unfinished
from mtl_perception.prediction.autolabel.teachers import Answer, Boxes
from mtl_perception.tasks import LABELS, MapCodec


@dataclass(frozen=True)
class Answers:
    """The folder that they are in. It can be sent to another process."""

    folder: Path

    @classmethod
    def of_call(cls, folder: Path, settings: Mapping[str, Any]) -> Answers:
        """Those in ``folder``; without those that were given under other ``settings``."""
        return cls(Unfinished(folder, settings).folder)

    def has(self, name: str) -> bool:
        """Whether there is one on the picture of this name."""
        return self._boxes(name).exists()

    def keep(self, name: str, answer: Answer) -> None:
        """Write one.

        Raises:
            OSError: a file could not be written.
        """
        maps = {"segmentation": answer.mask, "depth": answer.depth_m}
        for kind, values in maps.items():
            if values is not None:
                stored = _codec(kind).stored(np.ascontiguousarray(values))
                write_atomically(self.map_file(name, kind), cv2.imencode(".png", stored)[1].tobytes(), durable=False)
        boxes = answer.boxes
        rows = None if boxes is None else [boxes.boxes_xyxy.tolist(), boxes.scores.tolist(), boxes.class_ids.tolist()]
        # Last, as it says that the answer is whole.
        content = {"boxes": rows, "maps": [kind for kind, values in maps.items() if values is not None]}
        write_atomically(self._boxes(name), json.dumps(content).encode(), durable=False)

    def boxes(self, name: str) -> Boxes | None:
        """Boxes of a picture; None where the teacher says nothing of boxes."""
        rows = self._content(name)["boxes"]
        if rows is None:
            return None
        return Boxes(np.array(rows[0], np.float32).reshape(-1, 4), np.array(rows[1], np.float32), np.array(rows[2], np.int64))

    def map(self, name: str, kind: str) -> np.ndarray | None:
        """(H, W), as its PNG holds it; None where the teacher says nothing of this kind, or it is unknown everywhere."""
        if kind not in self._content(name)["maps"]:
            return None
        stored = cv2.imread(str(self.map_file(name, kind)), cv2.IMREAD_UNCHANGED)
        return stored if _codec(kind).teaches(_codec(kind).label(stored, (), ())) else None

    def map_file(self, name: str, kind: str) -> Path:
        return self.folder / kind / f"{name}.png"

    def _boxes(self, name: str) -> Path:
        return self.folder / "boxes" / f"{name}.json"

    def _content(self, name: str) -> dict[str, Any]:
        return json.loads(self._boxes(name).read_bytes())

    def clear(self) -> None:
        """Remove them all."""
        shutil.rmtree(self.folder)


def _codec(kind: str) -> MapCodec:
    codec = LABELS[kind]
    assert isinstance(codec, MapCodec)
    return codec
