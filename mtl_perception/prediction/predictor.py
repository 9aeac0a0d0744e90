# SPDX-License-Identifier: Apache-2.0
"""Images in; boxes, masks and metric depth out, in the names of the model's classes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl_perception.core.drawing import draw_overlay
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.instances import InstanceMasks
from mtl_perception.core.resources import find_model
from mtl_perception.core.scene import Scene
from mtl_perception.inference.engine import Engine
from mtl_perception.model.checkpoint import ModelCard
from mtl_perception.pipeline import PipelineOptions, published


@dataclass(frozen=True)
class Prediction:
    """A network's predictions for one image.

    Attributes:
        image_rgb: (H, W, 3) uint8.
        scene: boxes, mask and depth as arrays.
        card: of the model; names the ids in ``scene``.
        intrinsics: of the camera; None where it is not known. Depth is then right up to one factor.
    """

    image_rgb: np.ndarray
    scene: Scene
    card: ModelCard
    intrinsics: Intrinsics | None = None

    @property
    def boxes(self) -> list[dict[str, Any]]:
        """Detections, best first: {"label", "score", "box_xyxy": pixels}."""
        found = self.scene.detections
        if found is None:
            return []
        labels = self.card.detection_labels
        rows = zip(found.class_ids.tolist(), found.scores.tolist(), found.boxes_xyxy.tolist(), strict=True)
        return [{"label": labels[class_id], "score": score, "box_xyxy": box} for class_id, score, box in rows]

    @property
    def masks(self) -> InstanceMasks | None:
        """A mask for each of the ``boxes``; None from a model without the task ``instances``."""
        return self.scene.instance_masks

    @property
    def mask(self) -> np.ndarray | None:
        """(H, W) uint8 ids of ``card.segmentation_labels``, 255 for none."""
        return None if self.scene.segmentation is None else self.scene.segmentation.mask

    @property
    def depth_m(self) -> np.ndarray | None:
        """(H, W) float32 metres along the optical axis, NaN where unknown."""
        return None if self.scene.depth is None else self.scene.depth.depth_m

    @functools.cached_property
    def overlay_rgb(self) -> np.ndarray:
        """(H, W, 3) uint8: boxes and classes drawn over the image."""
        return draw_overlay(self.image_rgb, self.scene, self.card)


class PredictorSettings(NamedTuple):
    """The arguments of a ``Predictor``."""

    model: str
    device: str
    precision: str
    options: PipelineOptions


class Look(NamedTuple):
    """A picture that a predictor is to look at, in whatever process."""

    settings: PredictorSettings
    image_rgb: np.ndarray
    intrinsics: Intrinsics | None


class Predictor:
    """A loaded model.

    Args:
        model: a shipped model's name, or the path of a checkpoint or an exported file.
        options: which boxes are given; as the node publishes them by default.

    Raises:
        CheckpointError, BackendError, DeviceError: as ``Engine.load``.
    """

    def __init__(
        self,
        model: str | Path = "lite",
        device: str = "auto",
        precision: str = "auto",
        options: PipelineOptions = PipelineOptions(),
    ) -> None:
        self.settings = PredictorSettings(str(model), device, precision, options)
        self.engine = Engine.load(find_model(str(model)), device, precision)
        self.engine.score_threshold = options.score_threshold
        self._options = options

    @property
    def card(self) -> ModelCard:
        return self.engine.card

    def __call__(self, image_rgb: np.ndarray, intrinsics: Intrinsics | None = None) -> Prediction:
        """Returns the predictions for ``image_rgb``, (H, W, 3) uint8.

        Raises:
            ValueError: the image is something else.
        """
        if image_rgb.dtype != np.uint8 or image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or 0 in image_rgb.shape:
            raise ValueError(f"the image is {image_rgb.dtype} of shape {image_rgb.shape}, expected uint8 of shape (H, W, 3), RGB")
        scene = published(self.engine(image_rgb, intrinsics), self._options)
        return Prediction(image_rgb, scene, self.card, intrinsics)

    def close(self) -> None:
        """Free the device memory."""
        self.engine.close()


@functools.lru_cache(maxsize=2)
def opened(settings: PredictorSettings) -> Predictor:
    """A predictor that stays loaded for the next call."""
    return Predictor(*settings)


def scene_of(look: Look) -> Scene:
    """The answers for one picture, by a predictor that stays loaded."""
    return opened(look.settings)(look.image_rgb, look.intrinsics).scene


def predict(image: np.ndarray | str | Path, model: str | Path = "lite", device: str = "auto", fov_deg: float | None = None) -> Prediction:
    """Returns a model's predictions for one picture; the model stays loaded for the next call.

    Args:
        image: (H, W, 3) uint8 RGB, or the path of a picture.
        fov_deg: the camera's horizontal field of view; without, a photograph's own EXIF data, else depth is right up to one factor.

    Raises:
        ValueError: the image can't be read; a message that names it.
    """
    from mtl_perception.prediction.camera import intrinsics_for
    from mtl_perception.prediction.sources import read_picture

    focal_35mm = None
    if not isinstance(image, np.ndarray):
        picture = read_picture(Path(image))
        image, focal_35mm = picture.image_rgb, picture.focal_35mm
    height, width = image.shape[:2]
    settings = PredictorSettings(str(model), device, "auto", PipelineOptions())
    return opened(settings)(image, intrinsics_for(width, height, fov_deg=fov_deg, focal_35mm=focal_35mm))
