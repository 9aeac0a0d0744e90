# SPDX-License-Identifier: Apache-2.0
"""Writes predictions: overlays or a film, boxes in COCO's form, masks, depth, point clouds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.depth_image import depth_to_millimetres
from mtl_perception.core.drawing import draw_overlay
from mtl_perception.core.files import write_atomically, write_json
from mtl_perception.core.instances import InstanceMasks
from mtl_perception.core.scene import Depth, Detections, Scene, Segmentation
from mtl_perception.core.unfinished import Journal, Unfinished
from mtl_perception.model.checkpoint import ModelCard
from mtl_perception.prediction.predictor import Prediction
from mtl_perception.spatial.points import PointProjector

IMAGE_FOLDERS = ("overlay", "mask", "depth")
"""Folders of images below that of the results."""


class PredictionFiles:
    """Writes into one folder; ``close`` finishes what is written at the end.

    ``overlay/NAME.jpg`` (or ``overlay.webm`` of a film), ``mask/NAME.png`` (8 bits, class ids, 255 for none), ``depth/NAME.png``
    (16 bits, millimetres, 0 unknown), ``points/NAME.ply``, ``detections.json`` (COCO results with file names, NAME and the categories; with the
    masks of detections, uncompressed run lengths, where the model has them).

    What is done is noted in ``unfinished/`` picture by picture; another ``PredictionFiles`` of the same settings goes on with it.

    Args:
        folder: is made if it does not exist.
        card: of the model.
        rate_hz: of a film; None for single pictures.
        points: write point clouds too.
        settings: what must be the same for results to go together; None: what was there is of no use, as of a camera's earlier pictures.

    Attributes:
        done: the pictures that are written, name → whether the camera was known.
    """

    def __init__(
        self,
        folder: Path,
        card: ModelCard,
        rate_hz: float | None = None,
        points: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self._card, self._rate_hz, self._points = card, rate_hz, PointProjector() if points else None
        self._film: Any = None
        self._unfinished = Unfinished(folder / "unfinished", {"begun_ns": time.time_ns()} if settings is None else settings)
        self._journal = Journal(self._unfinished.folder / "done.jsonl")
        self.done: dict[str, bool] = {row["name"]: row["camera"] for row in self._journal.rows}
        self._rows = {row["name"]: row for row in self._journal.rows}

    def add(self, name: str, prediction: Prediction, file_name: str = "") -> None:
        """One more picture.

        Args:
            file_name: the one that COCO's form has; empty: ``name``, of a picture without a file.

        Raises:
            OSError: a file can't be written.
        """
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
        self._note(name, file_name or name, prediction)

    def add_again(self, name: str, image_rgb: np.ndarray) -> None:
        """Puts a picture that an earlier call has done into the film, with what is written of it; a film that was cut off can't be
        gone on with."""
        if self._rate_hz is not None:
            self._add_frame(draw_overlay(image_rgb, self._scene(name), self._card))

    def close(self, complete: bool = True) -> None:
        """Write boxes, and finish the film.

        Args:
            complete: there is nothing left to do.

        Raises:
            OSError: a file can't be written.
        """
        if self._film is not None:
            self._film.close()
            self._film = None
        self._journal.close()
        write_json(self.folder / "detections.json", self._coco())
        if complete:
            self._unfinished.finish()

    def _note(self, name: str, file_name: str, prediction: Prediction) -> None:
        height, width = prediction.image_rgb.shape[:2]
        found = prediction.scene.detections
        boxes = None if found is None else [found.boxes_xyxy.tolist(), found.scores.tolist(), found.class_ids.tolist()]
        masks = None if prediction.masks is None else [prediction.masks.run_lengths(i) for i in range(len(prediction.masks))]
        known = prediction.intrinsics is not None
        row = {"name": name, "file_name": file_name, "width": width, "height": height, "camera": known, "boxes": boxes, "masks": masks}
        self._journal.add(row)

    def _scene(self, name: str) -> Scene:
        """Returns what is written of a picture."""
        detections = segmentation = depth = None
        row = self._rows[name]
        boxes = row["boxes"]
        if boxes is not None:
            corners, scores, class_ids = boxes
            detections = Detections(
                np.array(corners, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(class_ids, np.int64)
            )
        if (mask := self._read("mask", name)) is not None:
            segmentation = Segmentation(mask, np.full_like(mask, 255))
        if (millimetres := self._read("depth", name)) is not None:
            depth = Depth(np.where(millimetres > 0, millimetres * np.float32(0.001), np.float32(np.nan)))
        instances = None if row["masks"] is None else _KeptMasks(row["masks"])
        return Scene(row["width"], row["height"], detections, segmentation, depth, instances=instances)

    def _coco(self) -> dict[str, Any]:
        """The boxes of all pictures as COCO results."""
        images: list[dict[str, Any]] = []
        results: list[dict[str, Any]] = []
        for image_id, row in enumerate(self._journal.rows, 1):
            images.append({"id": image_id} | {key: row[key] for key in ("file_name", "name", "width", "height")})
            masks = row["masks"]
            for number, ((left, top, right, bottom), score, class_id) in enumerate(zip(*(row["boxes"] or [[], [], []]), strict=True)):
                results.append(
                    {
                        "id": len(results) + 1,
                        "image_id": image_id,
                        "category_id": class_id + 1,
                        "bbox": [round(value, 2) for value in (left, top, right - left, bottom - top)],
                        "area": round((right - left) * (bottom - top), 2),
                        "iscrowd": 0,
                        "score": round(score, 4),
                    }
                    | ({} if masks is None else {"segmentation": masks[number], "area": sum(masks[number]["counts"][1::2])})
                )
        categories = [{"id": i + 1, "name": label} for i, label in enumerate(self._card.detection_labels)]
        return {"images": images, "annotations": results, "categories": categories}

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

    def _read(self, kind: str, name: str) -> np.ndarray | None:
        path = self.folder / kind / f"{name}.png"
        return cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.exists() else None

    def _write(self, kind: str, file_name: str, image: np.ndarray) -> None:
        self._folder(kind)
        _, encoded = cv2.imencode(Path(file_name).suffix, image)
        write_atomically(self.folder / kind / file_name, encoded.tobytes(), durable=False)


class _KeptMasks:
    """Masks that are known already, in the place of what a network makes them of."""

    def __init__(self, run_lengths: Sequence[Mapping[str, list[int]]]) -> None:
        self._run_lengths = run_lengths

    def of(self, boxes_xyxy: np.ndarray, width: int, height: int) -> InstanceMasks:
        return InstanceMasks.of_counts(width, height, [runs["counts"] for runs in self._run_lengths])


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
