# SPDX-License-Identifier: Apache-2.0
"""An ONNX network of anybody's, described by a small YAML file (docs/autolabel.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.yaml_file import ConfigError, read_yaml
from mtl_perception.prediction.autolabel.teachers import UNSURE, Answer, Boxes

NMS_IOU = 0.6


class OnnxDescription(BaseModel):
    """The input that a network wants, and the meaning of its answer.

    Attributes:
        model: the .onnx file, beside this description.
        width, height: of its input.
        fit: ``letterbox`` keeps the picture's shape and fills up with ``padding`` to the right and below, ``stretch`` does not.
        scale: multiplies the pixels, 0…255; then ``mean`` is taken off, then it is divided by ``std``.
        layout, color: of the input.
        labels: class names in the order of the ids; depth has none.
        rename: names here → names in the new data; null: such a class is left out.
        answer: how the output is read. Of boxes: ``yolo`` (1, N, 5 + C): centre, size, objectness, classes;
            ``yolo-transposed`` (1, 4 + C, N), without objectness; ``boxes``: three outputs, (N, 4) xyxy, (N,) scores, (N,) ids.
            Of segmentation: ``logits`` (1, C, h, w) or ``ids`` (1, h, w). Of depth: ``metres`` or ``inverse`` (1 / metres),
            (1, h, w) or (1, 1, h, w).
        outputs: their names, where the file has others too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path
    task: Literal["detection", "segmentation", "depth"]
    answer: Literal["yolo", "yolo-transposed", "boxes", "logits", "ids", "metres", "inverse"]
    width: int = Field(gt=0, le=8192)
    height: int = Field(gt=0, le=8192)
    fit: Literal["letterbox", "stretch"] = "letterbox"
    padding: int = Field(114, ge=0, le=255)
    scale: float = Field(1.0, gt=0)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    layout: Literal["nchw", "nhwc"] = "nchw"
    color: Literal["rgb", "bgr"] = "rgb"
    labels: list[str] = Field(default_factory=list)
    rename: dict[str, str | None] = Field(default_factory=dict)
    outputs: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _consistent(self) -> OnnxDescription:
        answers = {
            "detection": ("yolo", "yolo-transposed", "boxes"),
            "segmentation": ("logits", "ids"),
            "depth": ("metres", "inverse"),
        }[self.task]
        if self.answer not in answers:
            raise ValueError(f"answer is '{self.answer}', expected one of {', '.join(answers)} for {self.task}")
        if (self.task == "depth") == bool(self.labels):
            raise ValueError(
                "depth has no labels" if self.labels else f"{self.task} needs 'labels', the class names in the order of the ids"
            )
        unknown = sorted(set(self.rename) - set(self.labels))
        if unknown:
            raise ValueError(f"rename: '{unknown[0]}' is none of the labels")
        return self

    @property
    def names(self) -> list[str | None]:
        """Returns what each id is called in the new data."""
        return [self.rename.get(name, name) for name in self.labels]


def read_description(path: Path) -> tuple[OnnxDescription, Path]:
    """Returns a description, and the .onnx file that it means.

    Raises:
        ConfigError: it is no such description, or there is no such file.
    """
    description = read_yaml(path, OnnxDescription)
    model = path.parent / description.model
    if not model.is_file():
        raise ConfigError(f"{path}: model {model} does not exist")
    return description, model


class OnnxTeacher:
    """An ONNX network, run on the CPU.

    Raises:
        ImportError: onnxruntime is not installed.
        ConfigError: the file is no ONNX network, or lacks an output that the description names.
    """

    def __init__(self, description: OnnxDescription, model: Path) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise ImportError("ONNX teachers need onnxruntime: pip install 'mtl-perception[export]'") from None
        try:
            self._session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors share no class of their own
            raise ConfigError(f"{model} is no ONNX network that onnxruntime can run ({str(error).splitlines()[0]})") from error
        has = [output.name for output in self._session.get_outputs()]
        for name in description.outputs:
            if name not in has:
                raise ConfigError(f"{model} has no output '{name}'; it has: {', '.join(has)}")
        self._outputs = description.outputs or has
        self._description = description
        kept = list(dict.fromkeys(name for name in description.names if name is not None))
        self._new_ids = np.array([kept.index(name) if name is not None else -1 for name in description.names], np.int64)
        self.name = model.stem
        self.labels = {description.task: kept}

    def __call__(self, image_rgb: np.ndarray, intrinsics: Intrinsics | None) -> Answer:
        values, factor = self._input(image_rgb)
        answers = self._session.run(self._outputs, {self._session.get_inputs()[0].name: values})
        height, width = image_rgb.shape[:2]
        if self._description.task == "detection":
            return Answer(boxes=self._boxes(answers, factor, width, height))
        content = round(width * factor[0]), round(height * factor[1])
        plane = self._plane(answers[0], content)
        if self._description.task == "segmentation":
            mask = cv2.resize(plane.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
            return Answer(mask=cv2.LUT(mask, _table(self._new_ids)))
        depth = cv2.resize(plane.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        if self._description.answer == "inverse":
            depth = np.divide(1, depth, out=np.zeros_like(depth), where=depth > 1e-6)
        return Answer(depth_m=np.where(np.isfinite(depth) & (depth > 0), depth, 0))

    def _input(self, image_rgb: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
        told = self._description
        height, width = image_rgb.shape[:2]
        factor = told.width / width, told.height / height
        if told.fit == "letterbox":
            factor = (min(factor),) * 2
        size = round(width * factor[0]), round(height * factor[1])
        canvas = np.full((told.height, told.width, 3), told.padding, np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(image_rgb, size, interpolation=cv2.INTER_LINEAR)
        if told.color == "bgr":
            canvas = canvas[..., ::-1]
        values = (canvas.astype(np.float32) * told.scale - np.float32(told.mean)) / np.float32(told.std)
        return np.ascontiguousarray(values.transpose(2, 0, 1) if told.layout == "nchw" else values)[None], factor

    def _boxes(self, answers: list[Any], factor: tuple[float, float], width: int, height: int) -> Boxes:
        if self._description.answer == "boxes":
            boxes, scores, ids = (np.asarray(answer).reshape(-1, *size) for answer, size in zip(answers, ((4,), (), ()), strict=True))
        else:
            rows = answers[0][0].T if self._description.answer == "yolo-transposed" else answers[0][0]
            first = 4 if self._description.answer == "yolo-transposed" else 5
            classes = rows[:, first:] * (rows[:, 4:5] if first == 5 else 1)
            if classes.shape[1] != len(self._new_ids):
                raise ConfigError(f"{self.name}: the network knows {classes.shape[1]} classes, 'labels' has {len(self._new_ids)}")
            ids, scores = classes.argmax(1), classes.max(1)
            boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], 1)
        boxes = np.clip(boxes / np.float32([*factor, *factor]), 0, np.float32([width, height, width, height])).astype(np.float32)
        new = self._new_ids[ids.astype(np.int64)]
        kept = (scores > UNSURE) & (new >= 0) & (boxes[:, 2:] > boxes[:, :2]).all(1)
        found = Boxes(boxes[kept], np.minimum(scores[kept], 1).astype(np.float32), new[kept])
        corners = np.concatenate([found.boxes_xyxy[:, :2], found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]], 1)
        if not len(found):
            return found
        # Of a class that several of the network's became, too, only the best box of an object stays.
        best = cv2.dnn.NMSBoxesBatched(corners.tolist(), found.scores.tolist(), found.class_ids.tolist(), UNSURE, NMS_IOU)
        return found.chosen(np.asarray(best, np.int64).ravel())

    def _plane(self, answer: np.ndarray, content: tuple[int, int]) -> np.ndarray:
        """(h, w), without what filled the input up."""
        plane = np.asarray(answer)
        if self._description.answer == "logits":
            plane = plane[0].argmax(0)
        height, width = plane.shape[-2:]
        told = self._description
        kept = max(1, round(height * content[1] / told.height)), max(1, round(width * content[0] / told.width))
        return plane.reshape(height, width)[: kept[0], : kept[1]]


def _table(new_ids: np.ndarray) -> np.ndarray:
    table = np.full(256, 255, np.uint8)
    table[: len(new_ids)] = np.where(new_ids >= 0, new_ids, 255)
    return table
