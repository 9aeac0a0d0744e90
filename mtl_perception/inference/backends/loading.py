# SPDX-License-Identifier: Apache-2.0
"""Which backend runs which file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from mtl_perception.inference.backends._base import Backend, BackendError
from mtl_perception.inference.backends.exported_backend import ExportedBackend
from mtl_perception.inference.backends.openvino_backend import OpenVinoBackend, is_openvino_installed
from mtl_perception.inference.backends.torch_backend import TorchBackend
from mtl_perception.inference.device import resolve_device, resolve_precision
from mtl_perception.model.checkpoint import load_checkpoint

BACKENDS = ("torch", "openvino", "onnxruntime", "tensorrt")
"""The last two run exported files only."""


def load_backend(path: Path | str, device: str, precision: str, backend: str, compiled: bool) -> Backend:
    """See ``Engine.load``."""
    path = Path(path)
    if backend not in ("auto", *BACKENDS):
        raise BackendError(f"backend '{backend}' is not known; expected auto, {', '.join(BACKENDS)}")
    # The device is checked first: it costs nothing, and a wrong one should not wait for the weights.
    resolved, _ = resolve_device(device)
    if path.suffix.lower() == ".onnx":
        return _of_export(path, device, precision, backend, resolved.type)
    resolve_precision(precision, resolved)
    if backend in ("onnxruntime", "tensorrt"):
        raise BackendError(
            f"the backend {backend} runs exported files, and {path} is a checkpoint: run 'mtl-perception export {path}' and give "
            "the .onnx file as model, or choose backend auto"
        )
    if backend == "auto":
        # Compiling is something that only PyTorch does.
        backend = "openvino" if resolved.type == "cpu" and not compiled and is_openvino_installed() else "torch"
    if backend == "openvino":
        return OpenVinoBackend(path, device, precision)
    network, card = load_checkpoint(path)
    return TorchBackend(network, card, device, precision, compiled)


def _of_export(path: Path, device: str, precision: str, backend: str, device_type: str) -> Backend:
    if backend == "torch":
        raise BackendError(f"{path} is an exported file, which PyTorch does not run; choose backend auto, or give the checkpoint")
    if backend == "auto":
        on_cpu = device_type == "cpu" and importlib.util.find_spec("openvino")
        backend = "openvino" if on_cpu else "onnxruntime"
    return ExportedBackend(path, device, precision, backend)
