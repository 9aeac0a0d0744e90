# SPDX-License-Identifier: Apache-2.0
"""Exported files: the whole graph in one piece, its shapes fixed."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from mtl_perception.core.geometry import View
from mtl_perception.inference.backends._base import Answers, Backend, BackendError, Runner
from mtl_perception.inference.backends.sessions import onnxruntime_session, openvino_session
from mtl_perception.inference.device import resolve_device, resolve_precision
from mtl_perception.inference.exported import FOCAL_PX, IMAGES
from mtl_perception.inference.onnx_file import open_exported

_LARGEST_STRETCH = 0.01
"""By which the shape of an image may differ from that of the graph's before it would be seen in the answers."""


class ExportedBackend(Backend):
    """An ONNX file written by ``export``.

    All its heads run, whichever are wanted: the file is one piece.

    Args:
        runtime: "onnxruntime", "openvino" or "tensorrt" (ONNX Runtime's TensorRT provider).

    Raises:
        CheckpointError: the file is not ours, of another version, or not what its card says.
        DeviceError, BackendError: what should run it can't be had.
    """

    def __init__(self, path: Path, device: str, precision: str, runtime: str) -> None:
        resolved, self.notes = resolve_device("cuda" if runtime == "tensorrt" and device == "auto" else device)
        exported, content = open_exported(path, engines=runtime == "tensorrt")
        self._path = path
        self.name, self.device, self.precision = runtime, str(resolved), exported.precision
        # What was exported with fewer heads has no others.
        self.card = exported.card.model_copy(
            update={"tasks": {name: task for name, task in exported.card.tasks.items() if name in exported.tasks}}
        )
        self.batch_size, self.fixed_size = exported.batch, (exported.width, exported.height)
        on_gpu = resolved.type == "cuda"
        if runtime == "openvino":
            if on_gpu:
                raise BackendError(f"the backend openvino runs on the CPU, not on {self.device}; choose onnxruntime or tensorrt")
            if self.precision == "float32":
                self.precision = resolve_precision(precision, resolved)[1]
            self._session = openvino_session(content, "bfloat16" if self.precision == "bfloat16" else "float32")
        else:
            if precision not in ("auto", self.precision):
                raise BackendError(
                    f"{path} was exported in {self.precision}, not in {precision}; set precision to auto, or export it again "
                    f"with --precision {precision}"
                )
            provider = "tensorrt" if runtime == "tensorrt" else "cuda" if on_gpu else "cpu"
            self._session = onnxruntime_session(content, resolved, provider, self.precision == "float16")

    def frame(self, width: int, height: int) -> tuple[int, int]:
        own_width, own_height = self.fixed_size  # pyright: ignore[reportGeneralTypeIssues]
        if abs(width / height / (own_width / own_height) - 1) > _LARGEST_STRETCH:
            raise BackendError(
                f"{self._path} takes images of {own_width}x{own_height}; this one, of {width}x{height}, has another "
                f"shape: export with --width {width} --height {height}"
            )
        return self.fixed_size  # pyright: ignore[reportReturnType]

    def batch(self, count: int) -> int:
        return self.batch_size

    def runner(self, view: View, batch: int, tasks: tuple[str, ...]) -> Runner:
        return self._run

    def _run(self, images_rgb: np.ndarray, focal_px: np.ndarray) -> Answers:
        started_s = time.perf_counter()
        arrays = self._session({IMAGES: images_rgb, FOCAL_PX: focal_px})
        return Answers(arrays, {"preprocess": 0.0, "network": time.perf_counter() - started_s, "postprocess": 0.0})

    def close(self) -> None:
        del self._session
