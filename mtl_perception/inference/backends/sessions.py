# SPDX-License-Identifier: Apache-2.0
"""ONNX models, ready to run: by ONNX Runtime or by OpenVINO."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtl_perception.core.foreign_text import cut
from mtl_perception.inference.backends._base import BackendError
from mtl_perception.inference.backends.checksums import add_checksums, cache_folder, remove_spoilt
from mtl_perception.model.checkpoint import CheckpointError

_log = logging.getLogger(__name__)

Session = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
"""Inputs by name to outputs by name."""

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
_PACKAGES = {"cpu": "onnxruntime", "cuda": "onnxruntime-gpu", "tensorrt": "onnxruntime-gpu tensorrt"}


def onnxruntime_session(model: bytes, device: torch.device, provider: str, half: bool) -> Session:
    """A session of ONNX Runtime on as many threads as PyTorch has.

    Args:
        model: serialised.
        provider: "cpu", "cuda" or "tensorrt".
        half: whether TensorRT may compute in half precision; the others do as the file says.

    Raises:
        BackendError: ONNX Runtime or the provider is not installed.
        CheckpointError: the model can't be run.
    """
    ort = import_onnxruntime()
    name, known = _PROVIDERS[provider], ort.get_available_providers()
    if name not in known:
        raise BackendError(
            f"ONNX Runtime's {name} is not installed (it has {', '.join(known)}); pip install {_PACKAGES[provider]}, or choose device cpu"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    settings: dict[str, Any] = {} if provider == "cpu" else {"device_id": device.index or 0}
    engines = cache_folder() / f"tensorrt_{hashlib.sha256(model).hexdigest()[:32]}"
    if provider == "tensorrt":
        # Building an engine takes minutes, so it is kept for the next start. One is machine code: only what was built here is run.
        remove_spoilt(engines)
        settings |= {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(engines), "trt_fp16_enable": half}
    fallbacks = {"cpu": [], "cuda": ["cpu"], "tensorrt": ["cuda", "cpu"]}[provider]
    try:
        session = ort.InferenceSession(model, options, providers=[(name, settings), *(_PROVIDERS[other] for other in fallbacks)])
    except Exception as error:  # the classes it raises share no base of their own
        raise CheckpointError(f"ONNX Runtime can't run the exported graph ({cut(error, 300)}); export it again") from error
    if session.get_providers()[0] != name:
        raise BackendError(f"ONNX Runtime could not start its {name}; it fell back to {session.get_providers()[0]}: see its message above")
    if provider == "tensorrt":
        _keep(engines)
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return dict(zip(names, session.run(names, dict(inputs))))
        except Exception as error:
            raise BackendError(f"ONNX Runtime failed in the exported graph: {cut(error, 300)}") from error

    return run


def _keep(engines: Path) -> None:
    try:
        add_checksums(engines)
    except OSError as error:
        _log.warning(f"the TensorRT engine is not kept for the next start: {error.strerror}")


def openvino_session(serialized: bytes, precision: str, tasks: Collection[str] | None = None) -> Session:
    """A model compiled by OpenVINO for the CPU, on as many threads as PyTorch has.

    Args:
        serialized: an ONNX model.
        precision: "float32" or "bfloat16", of the convolutions.
        tasks: whose outputs, named "task.name", are wanted; what only the others need is left out. None for all.

    Raises:
        BackendError: OpenVINO is not installed.
        CheckpointError: the model can't be run.
    """
    try:
        import openvino
    except ImportError as error:
        raise BackendError("the backend openvino is not installed: pip install 'mtl-perception[cpu]', or choose backend torch") from error
    core = _openvino_core()
    try:
        model = core.read_model(serialized)
    except RuntimeError as error:
        raise CheckpointError(f"OpenVINO can't read the graph ({cut(error, 300)}); export it again") from error
    results = {result.input_value(0).get_any_name(): result for result in model.get_results()}
    names = [name for name in results if tasks is None or name.split(".")[0] in tasks]
    # The plugin forgets an input that nothing reads, as the focal length without depth, and then refuses its value.
    read = [one for one in model.get_parameters() if one.output(0).get_target_inputs()]
    inputs_read = {one.output(0).get_any_name() for one in read}
    model = openvino.Model([results[name] for name in names], read)  # pyright: ignore[reportGeneralTypeIssues]
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
    }
    try:
        request = core.compile_model(model, "CPU", settings).create_infer_request()
    except RuntimeError as error:
        raise CheckpointError(f"OpenVINO can't run the graph ({cut(error, 300)}); export it again") from error

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            request.infer({name: value for name, value in inputs.items() if name in inputs_read}, share_inputs=True)
        except RuntimeError as error:
            raise BackendError(f"OpenVINO failed in the graph: {cut(error, 300)}") from error
        # Copied: the request writes the next answers to the same place.
        return {name: request.get_output_tensor(index).data.copy() for index, name in enumerate(names)}

    return run


@functools.cache
def _openvino_core() -> Any:
    """The only one of the process. On a CPU with AMX a core lends the thread a larger stack for signal handlers and, when it
    goes, puts back the one it found; of two cores, the one that goes last puts back a stack that is no more, and the next
    Ctrl-C ends the process with a segmentation fault (seen with OpenVINO 2026.4)."""
    import openvino

    return openvino.Core()


def import_onnxruntime() -> Any:
    """The module.

    Raises:
        BackendError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError("exported files are run by ONNX Runtime, which is not installed: pip install onnxruntime") from error
    onnxruntime.set_default_logger_severity(3)  # errors only: its warnings are about its own choices
    return onnxruntime
