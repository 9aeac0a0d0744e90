# SPDX-License-Identifier: Apache-2.0
"""The engine: images in, Scenes out. Hides size, device, precision and what runs the network; knows no topic."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from mtl_perception.core.geometry import Intrinsics, View, assumed_focal_px
from mtl_perception.core.scene import Scene
from mtl_perception.inference.backends import Answers, Backend, BackendError, Runner, TorchBackend, load_backend
from mtl_perception.inference.graph import of_task
from mtl_perception.model.checkpoint import ModelCard
from mtl_perception.model.network import MultiTaskNetwork
from mtl_perception.tasks import CollectOptions, build_task

_MOST_RUNNERS = 12
"""Graphs kept ready, one for each shape, batch size and set of heads; the one unused for longest goes first."""


class Engine:
    """A loaded network that answers for one image, or for one of each of several cameras at once.

    Not thread-safe: call it from one thread. ``score_threshold`` may be set from any thread at any time.

    Attributes:
        card: what the network is.
        backend: what runs it, such as "torch" or "openvino".
        device, precision: as resolved, such as "cuda:0" and "float16".
        notes: what ``auto`` had to settle for, in sentences for diagnostics.
        score_threshold: least score of a detection.
    """

    def __init__(self, backend: Backend) -> None:
        self.card = backend.card
        self.backend, self.device, self.precision, self.notes = backend.name, backend.device, backend.precision, backend.notes
        self.score_threshold = CollectOptions().score_threshold
        self._tasks = {name: build_task(task.kind, task.settings) for name, task in self.card.tasks.items()}
        self._backend: Backend | None = backend
        self._runners: OrderedDict[tuple[View, int, tuple[str, ...]], Runner] = OrderedDict()

    @classmethod
    def load(cls, path: Path | str, device: str = "auto", precision: str = "auto", backend: str = "auto", compiled: bool = False) -> Engine:
        """An engine for a checkpoint or an exported file.

        Args:
            backend: "auto", or one of ``BACKENDS``.
            compiled: see ``TorchBackend``.

        Raises:
            CheckpointError: the file is no usable checkpoint.
            DeviceError: the device or precision can't be had.
            BackendError: the backend can't be had, or can't run this file.
        """
        return cls(load_backend(path, device, precision, backend, compiled))

    @classmethod
    def of(cls, network: MultiTaskNetwork, card: ModelCard, device: str = "auto", precision: str = "auto") -> Engine:
        """An engine of a network at hand, run by PyTorch; the network is taken over and changed."""
        return cls(TorchBackend(network, card, device, precision))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the network's tasks."""
        return tuple(self.card.tasks)

    @property
    def batch_size(self) -> int:
        """How many images are worth handing over at once."""
        return self._open_backend.batch_size

    def warm_up(self, height: int, width: int) -> None:
        """Run twice on a black image, so that the first real frame doesn't pay for allocation and kernel choice.

        Args:
            height: of the images to expect; a graph that was exported for one size takes that.
            width: likewise.

        Raises:
            BackendError: what comes out are no numbers.
        """
        backend = self._open_backend
        width, height = backend.fixed_size or (width, height)
        frame = backend.frame(width, height)
        batch = backend.batch(1)
        images, focal_px = np.zeros((batch, frame[1], frame[0], 3), np.uint8), np.zeros(batch, np.float32)
        answers = self._answer(frame, self.tasks, images, focal_px)
        for name, array in answers.arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise BackendError(
                    f"the network says NaN or infinity ({name}) of a black image in {self.precision}; its weights are damaged, or "
                    "this precision can't hold what they make: set precision to float32"
                )
        self(np.zeros((height, width, 3), np.uint8))

    def close(self) -> None:
        """Free the device memory; the engine can't be called afterwards."""
        self._runners.clear()
        if self._backend is not None:
            self._backend.close()
        self._backend = None

    @property
    def _open_backend(self) -> Backend:
        if self._backend is None:
            raise RuntimeError("this engine is closed; load it again")
        return self._backend

    def __call__(self, image_rgb: np.ndarray, intrinsics: Intrinsics | None = None, tasks: Collection[str] | None = None) -> Scene:
        """Returns the network's answers for one image.

        Args:
            image_rgb: (H, W, 3) uint8.
            intrinsics: of this camera, possibly for another image size; without, ``assumed_focal_px`` stands in, and depth is
                right up to one factor.
            tasks: the heads to run; None for all.

        Returns:
            A scene in pixels of ``image_rgb`` and metres, with seconds spent on "preprocess", "network" and
            "postprocess" in ``stage_s``.
        """
        return self.batch([image_rgb], [intrinsics], [tasks])[0]

    def batch(
        self,
        images_rgb: Sequence[np.ndarray],
        intrinsics: Sequence[Intrinsics | None] | None = None,
        tasks: Sequence[Collection[str] | None] | None = None,
    ) -> list[Scene]:
        """Returns the network's answers for several images, which may differ in size, camera and wanted tasks.

        Images of one size share forward passes of up to ``batch_size``, with every head that one of them wants.

        Args:
            images_rgb: (H, W, 3) uint8 each.
            intrinsics: one entry an image, as for a single one.
            tasks: likewise.

        Returns:
            Scenes in the order of the images. Those of one forward pass have its times in ``stage_s``.
        """
        backend = self._open_backend
        intrinsics = intrinsics or [None] * len(images_rgb)
        wanted = [self.tasks if names is None else tuple(names) for names in tasks or [None] * len(images_rgb)]
        groups: dict[tuple[int, int], list[int]] = {}
        for index, image in enumerate(images_rgb):
            height, width = image.shape[:2]
            groups.setdefault(backend.frame(width, height), []).append(index)
        scenes: dict[int, Scene] = {}
        for frame, members in groups.items():
            for first in range(0, len(members), backend.batch_size):
                chosen = members[first : first + backend.batch_size]
                parts = [[sequence[i] for i in chosen] for sequence in (images_rgb, intrinsics, wanted)]
                scenes |= zip(chosen, self._run(frame, *parts))
        return [scenes[index] for index in range(len(images_rgb))]

    def _run(
        self,
        frame: tuple[int, int],
        images_rgb: list[np.ndarray],
        intrinsics: list[Intrinsics | None],
        wanted: list[tuple[str, ...]],
    ) -> list[Scene]:
        """One forward pass of images that are given to the graph as ``frame``, width and height."""
        started_s = time.perf_counter()
        assumed_px = assumed_focal_px(*frame)
        focal_px = np.array([assumed_px if camera is None else camera.fx * frame[0] / camera.width for camera in intrinsics], np.float32)
        images = _stack(images_rgb, frame)
        size = self._open_backend.batch(len(images))
        if size > len(images):
            # Repeated images are as good as any to fill a batch up with.
            images, focal_px = np.resize(images, (size, *images.shape[1:])), np.resize(focal_px, size)
        heads = tuple(name for name in self.tasks if any(name in names for names in wanted))
        prepared_s = time.perf_counter()
        answers = self._answer(frame, heads, images, focal_px)
        answered_s = time.perf_counter()
        scenes = []
        for index, (image, names) in enumerate(zip(images_rgb, wanted)):
            of_image = {name: array[index] for name, array in answers.arrays.items()}
            scene = self._collect(of_image, frame, names).resized(image.shape[1], image.shape[0])
            scenes.append(scene)
        collected_s = time.perf_counter() - answered_s
        for scene in scenes:
            scene.stage_s.update(answers.stage_s)
            scene.stage_s["preprocess"] += prepared_s - started_s
            scene.stage_s["postprocess"] += collected_s
        return scenes

    def _collect(self, answers: dict[str, np.ndarray], frame: tuple[int, int], wanted: Collection[str]) -> Scene:
        options = CollectOptions(score_threshold=self.score_threshold)
        chosen = {name: task for name, task in self._tasks.items() if name in wanted}
        found = {name: task.collect(of_task(answers, name), options) for name, task in chosen.items()}
        fields = {task.scene_field: found[name] for name, task in chosen.items() if task.scene_field}
        others = {task.kind: found[name] for name, task in chosen.items() if not task.scene_field}
        return Scene(width=frame[0], height=frame[1], **fields, answers=others)

    def _answer(self, frame: tuple[int, int], heads: tuple[str, ...], images: np.ndarray, focal_px: np.ndarray) -> Answers:
        try:
            return self._runner(frame, len(images), heads)(images, focal_px)
        except torch.cuda.OutOfMemoryError:
            # Gone on with below: here the error still holds on to what it failed with.
            pass
        # Another process may have taken what was free; what this one keeps for later can go back first.
        self._runners.clear()
        self._open_backend.free()
        return self._runner(frame, len(images), heads)(images, focal_px)

    def _runner(self, frame: tuple[int, int], size: int, heads: tuple[str, ...]) -> Runner:
        key = self._open_backend.view(*frame), size, heads
        if key not in self._runners:
            while len(self._runners) >= _MOST_RUNNERS:
                self._runners.popitem(last=False)
            self._runners[key] = self._open_backend.runner(*key)
        self._runners.move_to_end(key)
        return self._runners[key]


def _stack(images_rgb: list[np.ndarray], frame: tuple[int, int]) -> np.ndarray:
    """(B, height, width, 3) uint8, contiguous and writable, each image resized to ``frame``."""
    resized = [_resize(image, frame) for image in images_rgb]
    stacked = resized[0][None] if len(resized) == 1 else np.stack(resized)
    # Messages are decoded into read-only views where they can be; torch takes only arrays it could write to.
    return np.require(stacked, requirements=["C", "W"])


def _resize(image_rgb: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    height, width = image_rgb.shape[:2]
    if (width, height) == frame:
        return image_rgb
    # Averaging over the area avoids the moiré that a linear filter leaves when it shrinks.
    return cv2.resize(image_rgb, frame, interpolation=cv2.INTER_AREA if frame[0] < width else cv2.INTER_LINEAR)
