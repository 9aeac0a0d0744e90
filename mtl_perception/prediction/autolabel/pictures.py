# SPDX-License-Identifier: Apache-2.0
"""The pictures of a data folder with all that its index says of them, known keys or not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.transforms import matrix
from mtl_perception.data.format import ImageEntry
from mtl_perception.data.index import Index, read_index, stem
from mtl_perception.data.pixels import read_map
from mtl_perception.tasks import LABELS, MapCodec


@dataclass(frozen=True)
class Pictures:
    """
    Attributes:
        entries: of the index. raw: the same as the file has them, also what this version does not know.
        annotations: by the id of a picture; each with the name of its class under ``label``.
    """

    index: Index
    entries: list[ImageEntry]
    raw: list[dict[str, Any]]
    annotations: dict[int, list[dict[str, Any]]]

    @classmethod
    def open(cls, root: Path) -> Pictures:
        """Those of the data folder ``root``.

        Raises:
            DataError: its index can't be understood.
        """
        index = read_index(root)
        content = json.loads(index.annotations_file.read_bytes())
        annotations: dict[int, list[dict[str, Any]]] = {}
        for annotation in content["annotations"]:
            label = index.categories[annotation["category_id"]]
            annotations.setdefault(annotation["image_id"], []).append({**annotation, "label": label})
        return cls(index, index.images, content["images"], annotations)

    @property
    def root(self) -> Path:
        return self.index.root

    def name(self, i: int) -> str:
        """Of picture ``i``, among those of all folders of a call."""
        return f"{self.root.name}/{self.entries[i].file_name}"

    def image_file(self, i: int) -> Path:
        return self.root / "images" / self.entries[i].file_name

    def label_file(self, i: int, codec: MapCodec) -> PurePosixPath:
        """Below a data folder."""
        return codec.folder / stem(self.entries[i])

    def lens(self, i: int) -> dict[str, Any] | None:
        """The camera of picture ``i`` as ``write_sample`` gives it; None where it is not known."""
        entry = self.entries[i]
        if entry.camera is None:
            return None
        camera = self.index.cameras[entry.camera]
        lens = {key: getattr(camera, key) for key in ("width", "height", "fx", "fy", "cx", "cy")}
        return lens if camera.depth_scale == "metric" else {**lens, "depth_scale": camera.depth_scale}

    def intrinsics(self, i: int) -> Intrinsics | None:
        lens = self.lens(i)
        return None if lens is None else Intrinsics(*(lens[key] for key in ("width", "height", "fx", "fy", "cx", "cy")))

    def pose(self, i: int) -> tuple[str, np.ndarray] | None:
        """The fixed frame, and (4, 4) the place of the camera's optical frame in it; None where it is not known."""
        pose = self.raw[i].get("pose")
        return None if pose is None else (pose["frame"], matrix(pose["position_m"], pose["quaternion_xyzw"]))

    def depth_m(self, i: int) -> np.ndarray | None:
        """(H, W) metres as labelled, 0 unknown; None where picture ``i`` has none."""
        entry, codec = self.entries[i], LABELS["depth"]
        assert isinstance(codec, MapCodec)
        if "depth" not in entry.tasks:
            return None
        stored = read_map(self.root / self.label_file(i, codec), codec, entry.width, entry.height, 0)
        return codec.label(stored, (), ())
