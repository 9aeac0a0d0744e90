# SPDX-License-Identifier: Apache-2.0
"""Exported files of others: read, and compared with their card, before any runtime sees them.

What runs afterwards is what was looked at: runtimes are given the bytes, not the path.
"""

from __future__ import annotations

import math
import mmap
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.geometry import View
from mtl_perception.core.validation_text import shown
from mtl_perception.inference.backends._base import BackendError
from mtl_perception.inference.exported import FOCAL_PX, IMAGES, MOST_VALUES, ExportedGraph
from mtl_perception.inference.graph import flat
from mtl_perception.inference.onnx_layout import Layout, read_layout
from mtl_perception.model.checkpoint import CheckpointError, weightless_network
from mtl_perception.model.network import BRANCH_PREFIX, MAX_STRIDE, build_head
from mtl_perception.tasks import build_task

if TYPE_CHECKING:
    import onnx

OPERATORS = frozenset(
    """
    Abs Add And ArgMax AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape Conv DequantizeLinear Div Elu
    Equal Erf Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool Greater GreaterOrEqual HardSigmoid
    HardSwish Identity LayerNormalization LeakyRelu Less LessOrEqual Log MatMul Max MaxPool Min Mod Mul Neg Not Or Pad Pow
    QuantizeLinear Reciprocal ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Resize Round ScatterND Shape Sigmoid Sign Slice
    Softmax Softplus Split Sqrt Squeeze Sub Tanh Tile TopK Transpose Trilu Unsqueeze Where
    """.split()
)
"""Operators that exports are made of, for every encoder, neck, task and precision, and a few that another version of PyTorch may write: all
of them end, touch no file, and have the shapes of their answers from the shapes of what they are given."""

ENGINE = "EPContext"
"""ONNX Runtime's node for what another runtime has compiled, such as a TensorRT engine."""

_MOST_REST = 2**23
"""Bytes that are no weights: names and attributes; a transformer in eight bits has 0.7 MB of them."""
_MOST_FILE = 2**30
_ROOM_FOR_ENGINE = 2**28
_DTYPES = {"FLOAT", "FLOAT16", "INT64", "INT32", "INT8", "UINT8", "BOOL"}


_STRIDES = {"p2": 4, "p3": 8, "p4": 16, "p5": 32}


class Answer(NamedTuple):
    """One output of a graph."""

    dtype: np.dtype
    shape: tuple[int, ...]


def read_exported(path: Path) -> ExportedGraph:
    """Returns the metadata of an exported file; its graph is not looked at.

    Raises:
        CheckpointError: it is missing, not ours, of another version or damaged.
    """
    with _opened(path) as (_, layout):
        return ExportedGraph.parse(path, layout.metadata)


def open_exported(path: Path, engines: bool = False) -> tuple[ExportedGraph, bytes]:
    """Returns the metadata of an exported file, and its content once the graph is seen to be what the card says.

    Args:
        engines: whether it may hold a TensorRT engine. What is in one is machine code and can't be looked at.

    Raises:
        CheckpointError: as ``read_exported``, or the graph has other inputs, outputs or kinds of weights than its card says, holds
            what no export holds, or would take memory or time out of all proportion.
        BackendError: onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise BackendError("exported files are looked at with onnx, which is not installed: pip install onnx") from error
    with _opened(path) as (content, layout):
        exported = ExportedGraph.parse(path, layout.metadata)
        most = _most_weights(exported) + (_ROOM_FOR_ENGINE if engines else 0)
        if layout.bulk > most:
            raise CheckpointError(f"{path} holds {layout.bulk} bytes of weights, its card's network has at most {most}; export it again")
        serialized = bytes(content)
    try:
        model = onnx.load_model_from_string(serialized)
        problem = _problem(model, exported, engines)
    except Exception as error:  # protobuf and onnx raise classes of their own, which share no base
        raise CheckpointError(f"{path} is not a readable ONNX model ({cut(error)}); copy it again or export it again") from error
    if problem is not None:
        raise CheckpointError(f"{path} is no file that 'mtl-perception export' writes: {problem}; export it again")
    return exported, serialized


def answers_of(exported: ExportedGraph) -> dict[str, Answer]:
    """The outputs of such a graph, by name: heads on pyramids without memory behind them, decoded."""
    card = exported.card
    view = View.fit(exported.width, exported.height, card.input_width, card.input_height, MAX_STRIDE)
    with torch.device("meta"), torch.no_grad():
        sides = {level: (view.input_height // stride, view.input_width // stride) for level, stride in _STRIDES.items()}
        shape = exported.batch, card.architecture.neck_channels
        pyramid = {f"{prefix}{level}": torch.empty((*shape, *side)) for level, side in sides.items() for prefix in ("", BRANCH_PREFIX)}
        focal_px = torch.empty(exported.batch)
        decoded = {}
        for name in exported.tasks:
            task = build_task(card.tasks[name].kind, card.tasks[name].settings)
            head = build_head(card.architecture, name, task).eval()
            decoded[name] = task.decode(head(pyramid), view, focal_px)
    return {name: Answer(torch.empty(0, dtype=tensor.dtype).numpy().dtype, tuple(tensor.shape)) for name, tensor in flat(decoded).items()}


@contextmanager
def _opened(path: Path) -> Iterator[tuple[memoryview, Layout]]:
    """The file's content, mapped into memory, and its layout."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise CheckpointError(f"{path} is a folder, a pipe or a device; expected an exported .onnx file")
            if about.st_size > _MOST_FILE:
                raise CheckpointError(f"{path} has {about.st_size} bytes, expected an exported .onnx file of at most {_MOST_FILE}")
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            layout = read_layout(content)
    except FileNotFoundError:
        raise CheckpointError(f"model {path} does not exist; give the path of an exported .onnx file") from None
    except OSError as error:
        raise CheckpointError(f"model {path} can't be read: {error.strerror}") from None
    except CheckpointError:
        raise
    except ValueError as error:
        raise CheckpointError(f"{path} is not a readable ONNX model ({cut(error)}); copy it again or export it again") from None
    if layout.rest > _MOST_REST:
        raise CheckpointError(f"{path} holds {layout.rest} bytes that are no weights, an export has at most {_MOST_REST}")
    yield content, layout


def _most_weights(exported: ExportedGraph) -> int:
    """Bytes: room for each weight twice in single precision, and for what folding has made of them."""
    try:
        network = weightless_network(exported.card)
    except ValueError:  # an encoder of a package that is not installed here, where only the graph is run
        return _MOST_FILE
    return 2**24 + 8 * sum(tensor.numel() for tensor in network.state_dict().values())


def _problem(model: onnx.ModelProto, exported: ExportedGraph, engines: bool) -> str | None:
    """The first difference from an export of that card."""
    graph = model.graph
    if model.functions or graph.sparse_initializer or model.training_info:
        return "it holds functions, sparse weights or training steps"
    for node in graph.node:
        if problem := _node_problem(node, engines):
            return problem
    tensors = [*graph.initializer, *(attribute.t for node in graph.node for attribute in node.attribute if attribute.HasField("t"))]
    for tensor in tensors:
        if problem := _tensor_problem(tensor):
            return f"weights {shown(tensor.name)} {problem}"
    frame = (exported.batch, exported.height, exported.width, 3)
    expected = {IMAGES: Answer(np.dtype(np.uint8), frame), FOCAL_PX: Answer(np.dtype(np.float32), (exported.batch,))}
    if problem := _difference("input", graph.input, expected) or _difference("output", graph.output, answers_of(exported)):
        return problem
    if any(node.op_type == ENGINE for node in graph.node):
        return None  # what is inside can't be looked at
    precision = _precision(model)
    if precision != exported.precision:
        return f"its card says {exported.precision}, its graph is of {precision}"
    return _cost_problem(model, exported)


def _node_problem(node: onnx.NodeProto, engines: bool) -> str | None:
    import onnx

    name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    is_engine = engines and (node.domain, node.op_type) == ("com.microsoft", ENGINE)
    if not is_engine and (node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS):
        return f"it holds the operator {shown(name)}"
    kinds = onnx.AttributeProto
    known = (kinds.FLOAT, kinds.INT, kinds.STRING, kinds.TENSOR, kinds.FLOATS, kinds.INTS, kinds.STRINGS)
    if any(attribute.type not in known for attribute in node.attribute):
        return f"an operator {shown(name)} has graphs or types among its attributes"
    if is_engine and not any(attribute.name == "embed_mode" and attribute.i == 1 for attribute in node.attribute):
        return "its engine lies in another file"
    return None


def _tensor_problem(tensor: onnx.TensorProto) -> str | None:
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        return "lie in another file"
    dtype = onnx.TensorProto.DataType.Name(tensor.data_type)
    if dtype not in _DTYPES:
        return f"are of the type {dtype}, expected one of {', '.join(sorted(_DTYPES))}"
    if any(side < 0 for side in tensor.dims) or math.prod(tensor.dims) > MOST_VALUES:
        return f"have the shape {shown(list(tensor.dims))}, expected at most {MOST_VALUES} values"
    size = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    if tensor.raw_data and len(tensor.raw_data) != math.prod(tensor.dims) * size:
        return f"have {len(tensor.raw_data)} bytes for the shape {shown(list(tensor.dims))}"
    values = onnx.numpy_helper.to_array(tensor)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return "hold values that are not finite"
    return None


def _difference(what: str, found: Sequence[onnx.ValueInfoProto], expected: Mapping[str, Answer]) -> str | None:
    import onnx

    names = [value.name for value in found]
    if sorted(names) != sorted(expected):
        return f"its {what}s are called {shown(names)}, its card has {', '.join(expected)}"
    for value in found:
        kind = value.type.tensor_type
        shape = tuple(side.dim_value if side.HasField("dim_value") else None for side in kind.shape.dim)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        if (dtype, shape) != expected[value.name]:
            said = expected[value.name]
            return f"its {what} {shown(value.name)} is {dtype} of {shown(shape)}, its card has {said.dtype} of {said.shape}"
    return None


def _precision(model: onnx.ModelProto) -> str:
    import onnx

    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph.node):
        return "int8"
    is_half = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in model.graph.initializer)
    return "float16" if is_half else "float32"


def _cost_problem(model: onnx.ModelProto, exported: ExportedGraph) -> str | None:
    """Whether a run would need memory or time out of all proportion, from the shapes of all values, which are fixed."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    shapes: dict[str, tuple[int, ...]] = {"": ()}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        sides = value.type.tensor_type.shape.dim
        # Older versions of onnx infer what a constant says as it is, also a side of -1.
        if value.type.tensor_type.HasField("shape") and all(side.HasField("dim_value") and side.dim_value >= 0 for side in sides):
            shapes[value.name] = tuple(side.dim_value for side in sides)
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    last_use = {name: index for index, node in enumerate(inferred.node) for name in node.input}
    made: set[str] = set()
    work = alive = most_alive = 0
    for index, node in enumerate(inferred.node):
        unknown = next((name for name in (*node.input, *node.output) if name not in shapes), None)
        if unknown is not None:
            return f"the shape of {shown(unknown)} is not fixed"
        work += sum(sizes[name] for name in (*node.input, *node.output)) + _multiply_adds(node, shapes)
        alive += sum(sizes[name] for name in node.output)
        most_alive = max(most_alive, alive)
        made |= set(node.output)
        alive -= sum(sizes[name] for name in {*node.input, *node.output} & made if last_use.get(name, index) <= index)
    weights = sum(sizes[tensor.name] for tensor in inferred.initializer)
    pixels = exported.batch * max(exported.width * exported.height, exported.card.input_width * exported.card.input_height)
    # A weight works at most once a pixel; a pixel becomes some hundred values at a time, each made of a few others.
    if most_alive > (most := 1000 * pixels + 4 * weights + 2**26):
        return f"it holds {most_alive} values of an image at a time, expected at most {most}"
    if work > (most := (weights + 100_000) * pixels + 32 * weights + 2**30):
        return f"it takes {work} operations, expected at most {most}"
    return None


def _multiply_adds(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Beside what goes in and comes out."""
    made = math.prod(shapes[node.output[0]])
    if node.op_type == "Conv":
        return made * math.prod(shapes[node.input[1]][1:])
    if node.op_type == "MatMul":
        return made * shapes[node.input[0]][-1]
    if node.op_type == "Gemm":
        return made * max(shapes[node.input[0]])
    kernel = next((attribute.ints for attribute in node.attribute if attribute.name == "kernel_shape"), ())
    return made * math.prod(kernel)
