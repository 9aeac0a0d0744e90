# SPDX-License-Identifier: Apache-2.0
"""The engine: an image in, a Scene out. Hides size, device and precision; knows no topic."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from mtl_perception.checkpoint import ModelCard, load_checkpoint
from mtl_perception.geometry import Intrinsics, View
from mtl_perception.inference.device import resolve_device, resolve_precision
from mtl_perception.network import MAX_STRIDE, MultiTaskNetwork
from mtl_perception.scene import Scene
from mtl_perception.tasks import DecodeOptions


class Engine:
    """A loaded network that answers for one image at a time.

    Not thread-safe: call it from one thread. ``score_threshold`` may be set from any thread at any time.

    Attributes:
        card: what the network is.
        device, precision: as resolved, such as "cuda:0" and "float16".
        notes: what ``auto`` had to settle for, in sentences for diagnostics.
        score_threshold: least score of a detection.
    """

    def __init__(self, network: MultiTaskNetwork, card: ModelCard, device: str = "auto", precision: str = "auto") -> None:
        self._device, self.notes = resolve_device(device)
        dtype, self.precision = resolve_precision(precision, self._device)
        self.card = card
        self.device = str(self._device)
        self.score_threshold = DecodeOptions().score_threshold
        self._network: MultiTaskNetwork | None = _fold_batch_norms(network.eval()).to(
            self._device, dtype, memory_format=torch.channels_last
        )

    @classmethod
    def load(cls, path: Path | str, device: str = "auto", precision: str = "auto") -> Engine:
        """An engine for a checkpoint file.

        Raises:
            CheckpointError: the file is no usable checkpoint.
            DeviceError: the device or precision can't be had.
        """
        # The device is checked first: it costs nothing, and a wrong one should not wait for the weights.
        resolve_precision(precision, resolve_device(device)[0])
        network, card = load_checkpoint(path)
        return cls(network, card, device, precision)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the network's tasks."""
        return tuple(self.card.tasks)

    def warm_up(self, height: int, width: int) -> None:
        """Run twice on a black image, so that the first real frame doesn't pay for allocation and kernel choice."""
        for _ in range(2):
            self(np.zeros((height, width, 3), np.uint8))

    def close(self) -> None:
        """Free the device memory; the engine can't be called afterwards."""
        self._network = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def __call__(
        self, image_rgb: np.ndarray, intrinsics: Intrinsics | None = None, tasks: Collection[str] | None = None
    ) -> Scene:
        """What the network says of one image.

        Args:
            image_rgb: (H, W, 3) uint8.
            intrinsics: of this camera, possibly for another image size; without, depth is right up to one factor.
            tasks: the heads to run; None for all.

        Returns:
            A scene in pixels of ``image_rgb`` and metres, with seconds spent on "preprocess", "network" and
            "postprocess" in ``stage_s``.
        """
        if self._network is None:
            raise RuntimeError("this engine is closed; load it again")
        started_s = time.perf_counter()
        height, width = image_rgb.shape[:2]
        view = View.fit(width, height, self.card.input_width, self.card.input_height, MAX_STRIDE, intrinsics)
        images = self._input(image_rgb, view)
        self._synchronize()
        prepared_s = time.perf_counter()
        raw = self._network(images, tasks)
        self._synchronize()
        run_s = time.perf_counter()
        options = DecodeOptions(score_threshold=self.score_threshold)
        known = self._network.tasks
        answers = {known[name].scene_field: known[name].decode(tensors, view, options) for name, tensors in raw.items()}
        decoded_s = time.perf_counter()
        stage_s = {"preprocess": prepared_s - started_s, "network": run_s - prepared_s, "postprocess": decoded_s - run_s}
        return Scene(width=width, height=height, stage_s=stage_s, **answers)

    def _input(self, image_rgb: np.ndarray, view: View) -> Tensor:
        """(1, 3, input_height, input_width) uint8 on the device; the padding is grey, which normalises to about zero."""
        content = image_rgb
        if (view.content_width, view.content_height) != (view.width, view.height):
            # Averaging over the area avoids the moiré that a linear filter leaves when it shrinks.
            how = cv2.INTER_AREA if view.scale < 1 else cv2.INTER_LINEAR
            content = cv2.resize(image_rgb, (view.content_width, view.content_height), interpolation=how)
        right, below = view.input_width - view.content_width, view.input_height - view.content_height
        if right or below:
            content = cv2.copyMakeBorder(content, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(124, 116, 104))
        # Messages are decoded into read-only views where they can be; torch takes only arrays it could write to.
        tensor = torch.from_numpy(np.require(content, requirements=["C", "W"])).to(self._device)
        return tensor.permute(2, 0, 1)[None]

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _fold_batch_norms(network: MultiTaskNetwork) -> MultiTaskNetwork:
    """Put every batch norm that follows a convolution into that convolution's weights; in place."""
    for parent in network.modules():
        convolution: tuple[str, nn.Conv2d] | None = None
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d) and convolution is not None and convolution[1].out_channels == child.num_features:
                fused = nn.utils.fuse_conv_bn_eval(convolution[1], child)
                setattr(parent, convolution[0], fused)
                setattr(parent, name, nn.Identity())
            convolution = (name, child) if isinstance(child, nn.Conv2d) else None
    return network
