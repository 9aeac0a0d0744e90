# SPDX-License-Identifier: Apache-2.0
"""An ONNX model whose network is a TensorRT engine, built by ONNX Runtime's TensorRT provider."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mtl_perception.inference.backends.sessions import import_onnxruntime
from mtl_perception.inference.export.onnx_graph import ExportError
from mtl_perception.inference.exported import METADATA_KEY, ExportedGraph

if TYPE_CHECKING:
    import onnx

_PROVIDER = "TensorrtExecutionProvider"


def require_tensorrt() -> None:
    """Check that TensorRT can be asked, before anything takes its time.

    Raises:
        ExportError: ONNX Runtime has no TensorRT provider here.
    """
    providers = import_onnxruntime().get_available_providers()
    if _PROVIDER not in providers:
        raise ExportError(
            f"ONNX Runtime's {_PROVIDER} is not installed (it has {', '.join(providers)}); on a machine with an "
            "NVIDIA GPU: pip install onnxruntime-gpu tensorrt; without one, export --format onnx and give the node backend tensorrt there"
        )


def compile_for_tensorrt(model: onnx.ModelProto, exported: ExportedGraph) -> onnx.ModelProto:
    """Build the engine for this machine's GPU and TensorRT, the only ones it runs on; minutes.

    Raises:
        ExportError: TensorRT built none.
    """
    import onnx

    ort = import_onnxruntime()
    with tempfile.TemporaryDirectory(prefix="mtl_perception_") as folder:
        context = Path(folder) / "context.onnx"
        settings = {
            "trt_fp16_enable": exported.precision == "float16",
            "trt_dump_ep_context_model": True,
            "trt_ep_context_file_path": str(context),
            "trt_ep_context_embed_mode": 1,
        }
        ort.InferenceSession(model.SerializeToString(), providers=[(_PROVIDER, settings), "CPUExecutionProvider"])
        if not context.is_file():
            raise ExportError("TensorRT built no engine; see ONNX Runtime's message above")
        compiled = onnx.load(context)
    compiled.metadata_props.add(key=METADATA_KEY, value=exported.model_dump_json())
    return compiled
