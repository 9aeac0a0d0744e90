# SPDX-License-Identifier: Apache-2.0
"""Writes predictions: overlays or a film, boxes in COCO's form, masks, depth, point clouds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.depth_image import depth_to_millimetres
from mtl_perception.core.files import write_atomically, write_json
from mtl_perception.prediction.predictor import Prediction
from mtl_perception.spatial.points import PointProjector


class PredictionFiles:
    """Writes into one folder; ``close`` finishes what is written at the end.

    ``overlay/NAME.jpg`` (or ``overlay.webm`` of a film), ``mask/NAME.png`` (8 bits, class ids, 255 for none), ``depth/NAME.png``
    (16 bits, millimetres, 0 unknown), ``points/NAME.ply``, ``detections.json`` (COCO results with file names, plus the categories; with the
    masks of detections, uncompressed run lengths, where the model has them).

    Args:
        folder: is made if it does not exist.
        rate_hz: of a film; None for single pictures.
        points: write point clouds too.
    """

    def __init__(self, folder: Path, rate_hz: float | None = None, points: bool = False) -> None:
        self.folder = folder
        self._rate_hz, self._points = rate_hz, PointProjector() if points else None
        self._film: Any = None
        self._images: list[dict[str, Any]] = []
        self._results: list[dict[str, Any]] = []
        self._categories: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, prediction: Prediction) -> None:
        """One more picture.

        Raises:
            OSError: a file can't be written.
        """
        self._add_boxes(name, prediction)
        if self._rate_hz is None:
            self._write("overlay", f"{name}.jpg", cv2.cvtColor(prediction.overlay_rgb, cv2.COLOR_RGB2BGR))
        else:
            self._add_frame(prediction.overlay_rgb)
        if prediction.mask is not None:
            self._write("mask", f"{name}.png", prediction.mask)
        if prediction.depth_m is not None:
            self._write("depth", f"{name}.png", depth_to_millimetres(prediction.depth_m))
            if self._points is not None and prediction.intrinsics is not None:
                scene = prediction.scene
                cloud = self._points(scene.depth, prediction.intrinsics, prediction.image_rgb, scene.segmentation)
                self._folder("points")
                write_atomically(self.folder / "points" / f"{name}.ply", ply(cloud), durable=False)

    def close(self) -> None:
        """Write boxes, and finish the film.

        Raises:
            OSError: a file can't be written.
        """
        if self._film is not None:
            self._film.close()
            self._film = None
        content = {"images": self._images, "annotations": self._results, "categories": self._categories}
        write_json(self.folder / "detections.json", content)

    def _add_boxes(self, name: str, prediction: Prediction) -> None:
        height, width = prediction.image_rgb.shape[:2]
        labels = prediction.card.detection_labels
        self._categories = [{"id": i + 1, "name": label} for i, label in enumerate(labels)]
        image_id = len(self._images) + 1
        self._images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        masks = prediction.masks
        for number, box in enumerate(prediction.boxes):
            left, top, right, bottom = box["box_xyxy"]
            self._results.append(
                {
                    "id": len(self._results) + 1,
                    "image_id": image_id,
                    "category_id": labels.index(box["label"]) + 1,
                    "bbox": [round(value, 2) for value in (left, top, right - left, bottom - top)],
                    "area": round((right - left) * (bottom - top), 2),
                    "iscrowd": 0,
                    "score": round(box["score"], 4),
                }
                | ({} if masks is None else {"segmentation": masks.run_lengths(number), "area": int(masks.areas[number])})
            )

    def _add_frame(self, picture_rgb: np.ndarray) -> None:
        from mtl_perception.prediction.film import Film

        height, width = (length - length % 2 for length in picture_rgb.shape[:2])
        if self._film is None:
            assert self._rate_hz is not None
            self._film = Film(self.folder / "overlay.webm", width, height, self._rate_hz)
            self._size = width, height
        if (width, height) != self._size:
            picture_rgb = cv2.resize(picture_rgb, self._size)
        self._film.add(np.ascontiguousarray(picture_rgb[: self._size[1], : self._size[0]]))

    def _folder(self, kind: str) -> None:
        (self.folder / kind).mkdir(exist_ok=True)

    def _write(self, kind: str, file_name: str, image: np.ndarray) -> None:
        self._folder(kind)
        _, encoded = cv2.imencode(Path(file_name).suffix, image)
        write_atomically(self.folder / kind / file_name, encoded.tobytes(), durable=False)


def ply(cloud: np.ndarray) -> bytes:
    """An array of ``POINT`` as a binary PLY file; points without a place are left out."""
    flat = cloud.reshape(-1)
    flat = flat[np.isfinite(flat["z"])]
    colours = flat["rgb"].view(np.uint32) if flat.dtype["rgb"] == np.float32 else flat["rgb"]
    out = np.empty(len(flat), [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1"), ("label", "u1")])
    for axis in "xyz":
        out[axis] = flat[axis]
    for channel, shift in (("red", 16), ("green", 8), ("blue", 0)):
        out[channel] = (colours >> shift) & 0xFF
    out["label"] = flat["label"]
    properties = "".join(f"property {'float' if out.dtype[name] == np.float32 else 'uchar'} {name}\n" for name in out.dtype.names)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(out)}\n{properties}end_header\n"
    return header.encode() + out.tobytes()
