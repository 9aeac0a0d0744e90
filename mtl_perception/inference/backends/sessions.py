# SPDX-License-Identifier: Apache-2.0
"""ONNX models, ready to run: by ONNX Runtime or by OpenVINO."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtl_perception.checkpoint import CheckpointError
from mtl_perception.inference.backends._base import BackendError

Session = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
"""Inputs by name to outputs by name."""

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
_PACKAGES = {"cpu": "onnxruntime", "cuda": "onnxruntime-gpu", "tensorrt": "onnxruntime-gpu tensorrt"}


def read_metadata(path: Path) -> dict[str, str]:
    """What an ONNX file says of itself.

    Raises:
        CheckpointError: it can't be read.
        BackendError: ONNX Runtime is not installed.
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    # Only looked at: nothing is worth optimising.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return dict(_open(ort, path, options, ["CPUExecutionProvider"]).get_modelmeta().custom_metadata_map)


def onnxruntime_session(path: Path, device: torch.device, provider: str, half: bool) -> Session:
    """A session of ONNX Runtime on as many threads as PyTorch has.

    Args:
        provider: "cpu", "cuda" or "tensorrt".
        half: whether TensorRT may compute in half precision; the others do as the file says.

    Raises:
        BackendError: ONNX Runtime or the provider is not installed.
        CheckpointError: the file can't be read.
    """
    ort = import_onnxruntime()
    name, known = _PROVIDERS[provider], ort.get_available_providers()
    if name not in known:
        raise BackendError(
            f"ONNX Runtime's {name} is not installed (it has {', '.join(known)}); pip install {_PACKAGES[provider]}, or choose "
            "device cpu"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    settings: dict[str, Any] = {} if provider == "cpu" else {"device_id": device.index or 0}
    if provider == "tensorrt":
        # Building an engine takes minutes; it is kept beside the model for the next start.
        settings |= {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(path.parent), "trt_fp16_enable": half}
    fallbacks = {"cpu": [], "cuda": ["cpu"], "tensorrt": ["cuda", "cpu"]}[provider]
    session = _open(ort, path, options, [(name, settings), *(_PROVIDERS[other] for other in fallbacks)])
    if session.get_providers()[0] != name:
        raise BackendError(f"ONNX Runtime could not start its {name}; it fell back to {session.get_providers()[0]}: see its message above")
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs))))


def openvino_session(path: Path, precision: str, tasks: Collection[str] | None = None) -> Session:
    """A model compiled by OpenVINO for the CPU, on as many threads as PyTorch has.

    Args:
        precision: "float32" or "bfloat16", of the convolutions.
        tasks: whose outputs, named "task.name", are wanted; what only the others need is left out. None for all.

    Raises:
        BackendError: OpenVINO is not installed.
        CheckpointError: the file can't be read.
    """
    try:
        import openvino
    except ImportError as error:
        raise BackendError("the backend openvino is not installed: pip install 'mtl-perception[cpu]', or choose backend torch") from error
    core = _openvino_core()
    try:
        model = core.read_model(path)
    except RuntimeError as error:
        raise CheckpointError(f"{path} is not an ONNX model that OpenVINO reads ({error}); export it again") from error
    results = {result.input_value(0).get_any_name(): result for result in model.get_results()}
    names = [name for name in results if tasks is None or name.split(".")[0] in tasks]
    model = openvino.Model([results[name] for name in names], model.get_parameters())
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        request.infer(dict(inputs), share_inputs=True)
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


def _open(ort: Any, path: Path, options: Any, providers: list[Any]) -> Any:
    if not path.is_file():
        raise CheckpointError(f"model {path} does not exist; give the path of an exported .onnx file")
    try:
        return ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # the classes it raises share no base of their own
        raise CheckpointError(f"{path} is not a readable ONNX model ({error}); copy it again or export it again") from error
