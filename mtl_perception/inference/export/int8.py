# SPDX-License-Identifier: Apache-2.0
"""An exported graph with weights and activations of eight bits."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mtl_perception.data.folder import ImageFolder
from mtl_perception.inference.backends.sessions import import_onnxruntime
from mtl_perception.inference.exported import FOCAL_PX, IMAGES, ExportedGraph

if TYPE_CHECKING:
    import onnx

CALIBRATION_IMAGES = 64
"""Of a folder so many are looked at, spread over all: with more, the ranges of activations hardly change."""


def quantize(model: onnx.ModelProto, exported: ExportedGraph, calibration: ImageFolder) -> onnx.ModelProto:
    """Quantise the matrix products between a network's first convolution and the last ones of its heads.

    Weights are int8 with a scale for each output channel, activations uint8 with the range that they have on the
    calibration images. The first convolution sees 256 levels of brightness in three channels and the last ones say
    where a box ends: these stay in float, as does all that comes before and after them. See docs/quantization.md.

    Args:
        model: of a ``Graph``; names and outputs stay.
        calibration: images like those that the network will see.

    Raises:
        BackendError: ONNX Runtime is not installed.
        DataError: an image can't be read.
    """
    import_onnxruntime()
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    batches = calibration_batches(calibration, exported)

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(batches, None)

    import onnx

    # Else it is advised to work out shapes and to fold constants first, which PyTorch's exporter has done.
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with tempfile.TemporaryDirectory(prefix="mtl_perception_") as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            nodes_to_quantize=inner_nodes(model),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(path)


def calibration_batches(folder: ImageFolder, exported: ExportedGraph) -> Iterator[dict[str, np.ndarray]]:
    """Inputs of the graph, made of images that are spread over the folder."""
    chosen = np.unique(np.linspace(0, len(folder) - 1, max(CALIBRATION_IMAGES, exported.batch)).round().astype(int))
    size = (exported.width, exported.height)
    for start in range(0, len(chosen), exported.batch):
        samples = [folder[int(index)] for index in np.resize(chosen[start : start + exported.batch], exported.batch)]
        images = [cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA) for sample in samples]
        focal_px = [sample.intrinsics.scaled(*size).fx for sample in samples]
        yield {IMAGES: np.stack(images), FOCAL_PX: np.array(focal_px, np.float32)}


def inner_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions and matrix products that have a convolution before and after them.

    Depthwise convolutions stay in float: their channels have ranges of their own. So do activations: SiLU turns a wide range of negative
    values into nothing, and eight bits are spent on it. docs/quantization.md has what both cost.
    """
    nodes = list(model.graph.node)
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    between = zip(nodes, _follow_convolution(nodes), _precede_convolution(nodes))
    return [node.name for node, before, after in between if before and after and _multiplies_matrices(node, shapes)]


def _multiplies_matrices(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> bool:
    if node.op_type == "Conv":
        return len(shape := shapes.get(node.input[1], [])) < 2 or shape[1] > 1
    return node.op_type in ("MatMul", "Gemm")


def _follow_convolution(nodes: list[onnx.NodeProto]) -> list[bool]:
    """Nodes of an ONNX graph stand in the order in which they run."""
    return _reached(nodes, lambda node: node.input, lambda node: node.output)


def _precede_convolution(nodes: list[onnx.NodeProto]) -> list[bool]:
    return _reached(nodes[::-1], lambda node: node.output, lambda node: node.input)[::-1]


def _reached(
    nodes: list[onnx.NodeProto],
    come_from: Callable[[onnx.NodeProto], Iterable[str]],
    go_to: Callable[[onnx.NodeProto], Iterable[str]],
) -> list[bool]:
    """For each node whether a convolution was met on the way to it."""
    marked: set[str] = set()
    found = []
    for node in nodes:
        is_reached = any(name in marked for name in come_from(node))
        if is_reached or node.op_type == "Conv":
            marked.update(go_to(node))
        found.append(is_reached)
    return found
