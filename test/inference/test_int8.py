# SPDX-License-Identifier: Apache-2.0
"""The shipped network in eight bits, on the shipped drive."""

from pathlib import Path

import numpy as np
import pytest

from mtl_perception.core.resources import find_model
from mtl_perception.data.folder import DataError
from mtl_perception.evaluation.samples import Sample, open_samples
from mtl_perception.evaluation.scenes import evaluate_engine
from mtl_perception.inference import Engine
from mtl_perception.inference.export.int8 import inner_nodes
from mtl_perception.inference.export.run import ExportReport, ExportSettings, export
from mtl_perception.model.checkpoint import load_checkpoint

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

DRIVE = Path(__file__).parents[2] / "bags" / "demo"
ROOMS = Path(__file__).parents[1] / "rooms"
TASKS = ("segmentation", "depth")
SIZE = {"width": 256, "height": 192, "input_width": 256, "input_height": 192}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    """Half the network's own size and two of its heads: exporting takes a test's time as it is."""
    settings = ExportSettings(precision="int8", calibration=ROOMS, tasks=TASKS, **SIZE)
    return export(find_model("lite"), tmp_path_factory.mktemp("int8") / "lite.onnx", settings)


@pytest.mark.slow
def test_weights_are_bytes_and_the_ends_are_not(exported: ExportReport) -> None:
    model = onnx.load(exported.path)
    stored = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    producers = {output: node for node in model.graph.node for output in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    whole = [node for node in convolutions if node.input[1] in stored]
    assert len([node for node in whole if shapes[node.input[1]][1] > 1]) == 1 + len(TASKS)  # the others are depthwise
    assert {stored[node.input[1]] for node in whole} == {onnx.TensorProto.FLOAT}
    for node in convolutions:
        if node not in whole:
            weight = producers[node.input[1]]
            assert weight.op_type == "DequantizeLinear" and stored[weight.input[0]] == onnx.TensorProto.INT8
    assert exported.path.stat().st_size < 0.45 * sum(
        4 * parameter.numel() for parameter in load_checkpoint(find_model("lite"))[0].parameters()
    )


@pytest.fixture(scope="module")
def in_float() -> tuple[list[Sample], dict[str, dict]]:
    """Frames of the drive, and the scores of PyTorch in float32 on them."""
    network, card = load_checkpoint(find_model("lite"))
    card = card.model_copy(update={name: SIZE[name] for name in ("input_width", "input_height")})
    with open_samples(DRIVE, card, 4) as samples:
        taken = list(samples)
    return taken, evaluate_engine(Engine.of(network, card, "cpu", "float32"), taken).scores


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_scores_stay_near_those_of_float(exported: ExportReport, in_float: tuple[list[Sample], dict[str, dict]], backend: str) -> None:
    pytest.importorskip(backend)
    taken, expected = in_float
    engine = Engine.load(exported.path, device="cpu", backend=backend)
    assert engine.precision == "int8"
    found = evaluate_engine(engine, taken).scores
    assert found["segmentation"]["mIoU"] > expected["segmentation"]["mIoU"] - 0.03
    assert found["depth"]["delta1"] > expected["depth"]["delta1"] - 0.03


def test_a_folder_that_is_none_is_told_before_the_export(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        export(find_model("lite"), tmp_path / "x.onnx", ExportSettings(precision="int8", calibration=tmp_path / "none", **SIZE))
    assert not list(tmp_path.iterdir())


def test_what_is_quantised_lies_between_convolutions() -> None:
    def node(name: str, kind: str, inputs: str, output: str):
        return onnx.helper.make_node(kind, inputs.split(), [output], name=name)

    nodes = [
        node("scale", "Mul", "x s", "a"),
        node("first", "Conv", "a w1", "b"),
        node("act", "Relu", "b", "c"),
        node("middle", "Conv", "c w2", "d"),
        node("aside", "Relu", "c", "e"),
        node("each", "Conv", "d w4", "i"),
        node("product", "MatMul", "i w5", "j"),
        node("sum", "Add", "j c", "f"),
        node("last", "Conv", "f w3", "g"),
        node("decode", "Sigmoid", "g", "h"),
    ]
    weights = {"w1": (8, 3, 3, 3), "w2": (8, 8, 1, 1), "w3": (2, 8, 1, 1), "w4": (8, 1, 3, 3), "w5": (8, 8)}
    tensors = [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()]
    graph = onnx.helper.make_graph(nodes, "g", [], [], tensors)
    assert inner_nodes(onnx.helper.make_model(graph)) == ["middle", "product"]
