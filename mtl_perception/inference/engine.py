# SPDX-License-Identifier: Apache-2.0
"""The engine: images in, Scenes out. Hides size, device and precision; knows no topic."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

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

RawTensors = dict[str, dict[str, Tensor]]
"""Task → what its head returned."""


class Engine:
    """A loaded network that answers for one image, or for one of each of several cameras at once.

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

    @property
    def batch_size(self) -> int:
        """How many images are worth handing over at once.

        A GPU is idle for most of a small network's single image. A CPU is not: there a batch costs as much as its images
        one by one, and the first of them would wait for the last.
        """
        return 8 if self._device.type == "cuda" else 1

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
        return self.batch([image_rgb], [intrinsics], [tasks])[0]

    @torch.inference_mode()
    def batch(
        self,
        images_rgb: Sequence[np.ndarray],
        intrinsics: Sequence[Intrinsics | None] | None = None,
        tasks: Sequence[Collection[str] | None] | None = None,
    ) -> list[Scene]:
        """What the network says of several images, which may differ in size, camera and wanted tasks.

        Images that fill the network's input alike share a forward pass, with every head that one of them wants. An
        image of another shape gets one of its own: padding it to the others' would change what the network says of it.

        Args:
            images_rgb: (H, W, 3) uint8 each.
            intrinsics, tasks: one entry an image, as for a single one.

        Returns:
            Scenes in the order of the images. Those of one forward pass have its times in ``stage_s``.
        """
        if self._network is None:
            raise RuntimeError("this engine is closed; load it again")
        intrinsics = intrinsics or [None] * len(images_rgb)
        tasks = tasks or [None] * len(images_rgb)
        views = [self._view(image, camera) for image, camera in zip(images_rgb, intrinsics, strict=True)]
        groups: dict[tuple[int, int], list[int]] = {}
        for index, view in enumerate(views):
            groups.setdefault((view.input_height, view.input_width), []).append(index)
        scenes: dict[int, Scene] = {}
        for members in groups.values():
            answers = self._run([images_rgb[i] for i in members], [views[i] for i in members], [tasks[i] for i in members])
            scenes |= zip(members, answers)
        return [scenes[index] for index in range(len(views))]

    def _run(
        self, images_rgb: list[np.ndarray], views: list[View], tasks: list[Collection[str] | None]
    ) -> list[Scene]:
        """One forward pass."""
        started_s = time.perf_counter()
        images = self._input(images_rgb, views)
        self._synchronize()
        prepared_s = time.perf_counter()
        raw = self._forward(images, None if None in tasks else {name for wanted in tasks for name in wanted})
        self._synchronize()
        run_s = time.perf_counter()
        scenes = []
        for index, (view, wanted) in enumerate(zip(views, tasks)):
            answers = self._decode(_of_image(raw, index, len(views)), view, wanted)
            decoded_s = time.perf_counter()
            stage_s = {"preprocess": prepared_s - started_s, "network": run_s - prepared_s, "postprocess": decoded_s - run_s}
            scenes.append(Scene(width=view.width, height=view.height, stage_s=stage_s, **answers))
        return scenes

    def _forward(self, images: Tensor, tasks: Collection[str] | None) -> RawTensors:
        try:
            return self._network(images, tasks)
        except torch.cuda.OutOfMemoryError:
            # Another process may have taken what was free; what this one keeps for later can go back first.
            torch.cuda.empty_cache()
            return self._network(images, tasks)

    def _decode(self, raw: RawTensors, view: View, tasks: Collection[str] | None) -> dict[str, Any]:
        options = DecodeOptions(score_threshold=self.score_threshold)
        known = self._network.tasks
        return {
            known[name].scene_field: known[name].decode(tensors, view, options)
            for name, tensors in raw.items()
            if tasks is None or name in tasks
        }

    def _view(self, image_rgb: np.ndarray, intrinsics: Intrinsics | None) -> View:
        height, width = image_rgb.shape[:2]
        return View.fit(width, height, self.card.input_width, self.card.input_height, MAX_STRIDE, intrinsics)

    def _input(self, images_rgb: Sequence[np.ndarray], views: Sequence[View]) -> Tensor:
        """(B, 3, input_height, input_width) uint8 on the device, of views with one input size."""
        contents = [_lay_out(image, view) for image, view in zip(images_rgb, views)]
        stacked = contents[0][None] if len(contents) == 1 else np.stack(contents)
        # Messages are decoded into read-only views where they can be; torch takes only arrays it could write to.
        tensor = torch.from_numpy(np.require(stacked, requirements=["C", "W"])).to(self._device)
        return tensor.permute(0, 3, 1, 2)

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _lay_out(image_rgb: np.ndarray, view: View) -> np.ndarray:
    """The network's input, (input_height, input_width, 3); its padding is grey, which normalises to about zero."""
    content = image_rgb
    if (view.content_width, view.content_height) != (view.width, view.height):
        # Averaging over the area avoids the moiré that a linear filter leaves when it shrinks.
        how = cv2.INTER_AREA if view.scale < 1 else cv2.INTER_LINEAR
        content = cv2.resize(image_rgb, (view.content_width, view.content_height), interpolation=how)
    right, below = view.input_width - view.content_width, view.input_height - view.content_height
    if right or below:
        content = cv2.copyMakeBorder(content, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(124, 116, 104))
    return content


def _of_image(raw: RawTensors, index: int, count: int) -> RawTensors:
    """The part of one image of a batch, as a batch of 1. What a head says of no image in particular, such as where its
    cells lie, goes along whole: it is longer than any batch."""
    if count == 1:
        return raw
    return {
        task: {name: tensor[index : index + 1] if len(tensor) == count else tensor for name, tensor in tensors.items()}
        for task, tensors in raw.items()
    }


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
