# SPDX-License-Identifier: Apache-2.0
"""A checkpoint's network run by OpenVINO: on a CPU, the fastest of those measured (docs/benchmarks.md)."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np
import torch

from mtl_perception.core.geometry import View
from mtl_perception.inference.backends._base import Answers, Backend, Runner
from mtl_perception.inference.backends.conversions import Conversions
from mtl_perception.inference.backends.sessions import Session, openvino_session
from mtl_perception.inference.device import DeviceError, resolve_device, resolve_precision
from mtl_perception.inference.exported import IMAGES
from mtl_perception.inference.folding import fold_batch_norms
from mtl_perception.inference.graph import Graph, of_task
from mtl_perception.model.checkpoint import load_checkpoint


def is_openvino_installed() -> bool:
    """Whether checkpoints can be converted for OpenVINO and run by it."""
    return all(importlib.util.find_spec(name) for name in ("openvino", "onnx", "onnxscript"))


class OpenVinoBackend(Backend):
    """OpenVINO runs the network, PyTorch decodes: there OpenVINO gains nothing, and half precision would show.

    The network is converted once for each size of its input, which takes about 10 s, and kept by ``Conversions``.

    Raises:
        CheckpointError: the file is no usable checkpoint.
        DeviceError: the device is not a CPU, or the precision can't be had there.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, path: Path, device: str, precision: str) -> None:
        resolved, self.notes = resolve_device(device)
        if resolved.type != "cpu":
            raise DeviceError(f"the backend openvino runs on the CPU, not on {device}; choose backend torch or device cpu")
        self.precision = resolve_precision(precision, resolved)[1]
        network, self.card = load_checkpoint(path)
        self._network = fold_batch_norms(network)
        self._conversions = Conversions(self._network, self.card)

    def runner(self, view: View, batch: int, tasks: tuple[str, ...]) -> Runner:
        converted = self._conversions.of(Graph(self._network, view, self.card.tasks))
        return _Runner(Graph(self._network, view, tasks), openvino_session(converted, self.precision, tasks))

    def close(self) -> None:
        self._network = None


class _Runner:
    """For one image: a CPU gains nothing from a batch, and ``batch_size`` says so."""

    def __init__(self, graph: Graph, session: Session) -> None:
        self._graph, self._session = graph, session

    @torch.inference_mode()
    def __call__(self, images_rgb: np.ndarray, focal_px: np.ndarray) -> Answers:
        started_s = time.perf_counter()
        laid_out = self._graph.lay_out(torch.from_numpy(images_rgb)).permute(0, 2, 3, 1)
        images = laid_out.round().to(torch.uint8) if laid_out.is_floating_point() else laid_out
        prepared_s = time.perf_counter()
        heads = self._session({IMAGES: images.contiguous().numpy()})
        inferred_s = time.perf_counter()
        tensors = {name: torch.from_numpy(array) for name, array in heads.items()}
        raw = {task: of_task(tensors, task) for task in self._graph.task_names}
        decoded = self._graph.decode(raw, torch.from_numpy(focal_px))
        arrays = {name: tensor.numpy() for name, tensor in decoded.items()}
        ended_s = time.perf_counter()
        stage_s = {"preprocess": prepared_s - started_s, "network": inferred_s - prepared_s, "postprocess": ended_s - inferred_s}
        return Answers(arrays, stage_s)
