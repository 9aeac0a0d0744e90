# SPDX-License-Identifier: Apache-2.0
"""Exported files from anywhere: run if they are what their card says, else refused in one sentence."""

import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from memory import peak_growth_mb
from model import tiny_card, tiny_network

from mtl_perception.core.geometry import View
from mtl_perception.inference import Engine
from mtl_perception.inference.export.run import ExportReport, card_of
from mtl_perception.inference.exported import ExportedGraph
from mtl_perception.inference.graph import Graph
from mtl_perception.inference.onnx_file import answers_of, open_exported
from mtl_perception.inference.onnx_layout import read_layout
from mtl_perception.model.checkpoint import CheckpointError, ModelCard, TaskCard
from mtl_perception.model.network import Architecture

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper, TensorProto = onnx.helper, onnx.TensorProto


def said(model: "onnx.ModelProto", **changes: object) -> None:
    """Let the file say something else of itself."""
    content = json.loads(model.metadata_props[0].value)
    model.metadata_props[0].value = json.dumps(content | changes)


def carded(model: "onnx.ModelProto", **changes: object) -> None:
    said(model, card=json.loads(model.metadata_props[0].value)["card"] | changes)


def put_first(model: "onnx.ModelProto", *nodes: "onnx.NodeProto") -> None:
    for node in reversed(nodes):
        model.graph.node.insert(0, node)


def constant(model: "onnx.ModelProto", name: str, values: object) -> None:
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values), name))


def endless_loop(model: "onnx.ModelProto") -> None:
    constant(model, "turns", np.int64(10**12))
    constant(model, "go_on", True)
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"])],
        "body",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []), helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, [])],
    )
    put_first(model, helper.make_node("Loop", ["turns", "go_on"], [], body=body))


def filled(model: "onnx.ModelProto", sides: list[int]) -> None:
    constant(model, "sides", np.array(sides, np.int64))
    put_first(model, helper.make_node("ConstantOfShape", ["sides"], ["filled"]))


def many_products(model: "onnx.ModelProto") -> None:
    filled(model, [4096, 4096])
    put_first_after = [helper.make_node("MatMul", ["filled", "filled"], [f"product{i}"]) for i in range(100)]
    for node in put_first_after:
        model.graph.node.insert(1, node)


def many_alive(model: "onnx.ModelProto") -> None:
    filled(model, [2**26])
    names = [f"copy{i}" for i in range(60)]
    for name in names:
        model.graph.node.insert(1, helper.make_node("Neg", ["filled"], [name]))
    constant(model, "length", np.array([1], np.int64))
    for name in names:
        model.graph.node.append(helper.make_node("ReduceSum", [name], [f"sum_of_{name}"]))


def elsewhere(model: "onnx.ModelProto") -> None:
    weights = next(tensor for tensor in model.graph.initializer if len(tensor.raw_data) > 1000)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../../../etc/passwd")


def attribute_elsewhere(model: "onnx.ModelProto") -> None:
    value = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    value.external_data.add(key="location", value="/etc/passwd")
    put_first(model, helper.make_node("Constant", [], ["far"], value=value))


def not_a_number(model: "onnx.ModelProto") -> None:
    weights = next(tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT and len(tensor.raw_data) > 1000)
    weights.raw_data = np.full(len(weights.raw_data) // 4, np.nan, np.float32).tobytes()


def huge_without_bytes(model: "onnx.ModelProto") -> None:
    model.graph.initializer.append(TensorProto(name="huge", data_type=TensorProto.FLOAT, dims=[10**9, 10**9], raw_data=b"1234"))


def short_of_bytes(model: "onnx.ModelProto") -> None:
    model.graph.initializer.append(TensorProto(name="short", data_type=TensorProto.FLOAT, dims=[100], raw_data=b"1234"))


def function(model: "onnx.ModelProto") -> None:
    node = helper.make_node("Identity", ["a"], ["b"])
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], [node], [helper.make_opsetid("", 20)]))


def renamed_output(model: "onnx.ModelProto") -> None:
    old = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["other" if name == old else name for name in node.output]
    model.graph.output[0].name = "other"


def reshaped_output(model: "onnx.ModelProto") -> None:
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 7


def retyped_output(model: "onnx.ModelProto") -> None:
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def open_side(model: "onnx.ModelProto") -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"


MORE = {"kind": "lanes", "settings": {"labels": ["line"]}}

CHANGES: list[tuple[Callable, str]] = [
    (endless_loop, "it holds the operator 'Loop'"),
    (lambda m: put_first(m, helper.make_node("Anything", [], ["x"], domain="evil.org")), "it holds the operator 'evil.org.Anything'"),
    (lambda m: put_first(m, helper.make_node("EPContext", [], ["x"], domain="com.microsoft", embed_mode=1)), "com.microsoft.EPContext"),
    (lambda m: put_first(m, helper.make_node("RandomNormal", [], ["x"], shape=[10**9])), "operator 'RandomNormal'"),
    (function, "it holds functions"),
    (elsewhere, "lie in another file"),
    (attribute_elsewhere, "lie in another file"),
    (not_a_number, "hold values that are not finite"),
    (huge_without_bytes, "expected at most 268435456 values"),
    (short_of_bytes, "have 4 bytes for the shape [100]"),
    (lambda m: filled(m, [10**9, 10**9]), "values of an image at a time, expected at most"),
    (lambda m: filled(m, [-1]), "is not fixed|not a readable ONNX model"),
    (many_products, "operations, expected at most"),
    (many_alive, "values of an image at a time, expected at most"),
    (renamed_output, "its outputs are called .*'other'.*its card has detection.boxes_xyxy"),
    (reshaped_output, r"its output 'detection.boxes_xyxy' is float32 of \(7, .*its card has float32 of \(2, 100, 4\)"),
    (retyped_output, "is float64 of"),
    (open_side, r"its input 'images_rgb' is uint8 of \(None, 96, 128, 3\)"),
    (lambda m: m.graph.input.pop(), "its inputs are called \\['images_rgb'\\]"),
    (lambda m: said(m, batch=3), r"its card has uint8 of \(3, 96, 128, 3\)"),
    (lambda m: said(m, width=256, height=192), r"its card has uint8 of \(2, 192, 256, 3\)"),
    (lambda m: said(m, width=10**9), "width: expected less than or equal to 16384, got 1000000000"),
    (lambda m: said(m, batch=10**9), "batch: expected"),
    (lambda m: said(m, width=16384, height=16384), "more than 268435456 values"),
    (lambda m: said(m, tasks=[]), "tasks: "),
    (lambda m: said(m, tasks=["depth", "depth"]), "tasks name 'depth'"),
    (lambda m: said(m, tasks=["a.b"]), "tasks name 'a.b'"),
    (lambda m: said(m, tasks=["depth"]), "its outputs are called"),
    (lambda m: said(m, precision="float16"), "its card says float16, its graph is of float32"),
    (lambda m: said(m, precision="fp4"), "precision: expected 'float32', 'float16' or 'int8', got 'fp4'"),
    (lambda m: said(m, export_version="1" * 5000), "version '1+…"),
    (lambda m: carded(m, input_width=10**9), "input_width: expected"),
    (lambda m: carded(m, tasks={"a.b": MORE}), "a task is called 'a.b'"),
    (lambda m: carded(m, tasks={"detection": MORE, "segmentation": MORE, "depth": MORE}), "both of kind lanes"),
    (lambda m: carded(m, architecture={"encoder": "x", "neck_channels": 16}), "encoder 'x' is not known"),
    (lambda m: setattr(m.metadata_props[0], "value", '{"card":' * 100_000), "not a JSON object"),
    (lambda m: setattr(m.metadata_props[0], "value", "[]"), "not a JSON object"),
    (lambda m: m.metadata_props.add(key="x", value="y" * 9_000_000), "bytes that are no weights"),
]


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as refused:
        Engine.load(path, device="cpu", backend="onnxruntime")
    message = str(refused.value)
    assert "\n" not in message and message.isprintable() and len(message) < 1500, message
    return message


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=lambda value: getattr(value, "__name__", str(value)[:30]))
def test_what_no_export_holds_is_refused(exported: ExportReport, tmp_path: Path, change: Callable, words: str) -> None:
    model = onnx.load(exported.path)
    change(model)
    (tmp_path / "changed.onnx").write_bytes(model.SerializeToString())
    message = refusal(tmp_path / "changed.onnx")
    assert re.search(words, message) or words in message, message


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "empty.onnx").touch()
    for name, words in (("pipe", "a pipe or a device"), ("folder", "irectory"), ("empty", "not a readable"), ("none", "does not exist")):
        assert words in refusal(tmp_path / f"{name}.onnx")


@pytest.mark.parametrize("content", [b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x08" + b"\xff" * 20, b"\x0b" * 20, b"\x3a\x7f"])
def test_lengths_that_lead_nowhere_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.onnx").write_bytes(content)
    assert "not a readable ONNX model" in refusal(tmp_path / "odd.onnx")


@pytest.mark.slow
def test_no_memory_is_taken_for_what_is_refused(exported: ExportReport, tmp_path: Path) -> None:
    """A graph of millions of nodes of two bytes each, one with sizes of a billion, and a file that is mostly a hole."""
    content = exported.path.read_bytes()
    nodes = b"\x0a\x00" * 4_000_000
    swarm = tmp_path / "swarm.onnx"
    swarm.write_bytes(content + b"\x3a" + varint(len(nodes)) + nodes)
    huge = tmp_path / "huge.onnx"
    model = onnx.load(exported.path)
    filled(model, [10**9])
    huge.write_bytes(model.SerializeToString())
    hole = tmp_path / "hole.onnx"
    inner = b"\x4a" + varint(900_000_000)  # raw_data
    tensor = b"\x2a" + varint(len(inner) + 900_000_000) + inner
    hole.write_bytes(content + b"\x3a" + varint(len(tensor) + 900_000_000) + tensor)
    os.truncate(hole, hole.stat().st_size + 900_000_000)

    open_exported(exported.path)  # what onnx and PyTorch need for themselves is loaded
    for path in (swarm, huge, hole):
        assert peak_growth_mb(lambda path=path: refusal(path)) < 100, path.name


def varint(value: int) -> bytes:
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


@pytest.mark.slow
def test_bytes_changed_at_random_are_refused_or_run(exported: ExportReport, tmp_path: Path) -> None:
    generator = random.Random(0)
    content = exported.path.read_bytes()
    path = tmp_path / "spoilt.onnx"
    refused = 0
    for turn in range(60):
        changed = bytearray(content)
        for _ in range(generator.choice((1, 10, 100))):
            # Nodes and names are spread over the file; the end is the card.
            at = len(content) - generator.randrange(100_000) if turn % 2 else generator.randrange(len(content))
            changed[at - 1] = generator.randrange(256)
        if turn % 10 == 0:
            del changed[generator.randrange(len(changed)) :]
        path.write_bytes(changed)
        try:
            open_exported(path)
        except CheckpointError as error:
            refused += 1
            assert len(str(error)) < 1500
    assert refused > 20


def test_what_an_export_holds_is_seen_without_parsing_it(exported: ExportReport) -> None:
    layout = read_layout(memoryview(exported.path.read_bytes()))
    model = onnx.load(exported.path)
    assert ExportedGraph.parse(exported.path, layout.metadata).batch == 2
    assert layout.bulk == sum(len(tensor.raw_data) for tensor in model.graph.initializer) + sum(
        len(attribute.s) for node in model.graph.node for attribute in node.attribute
    )
    assert card_of(exported.path).name == "tiny"


@pytest.mark.parametrize(("width", "height"), [(128, 96), (240, 135), (64, 48), (640, 480)])
@pytest.mark.parametrize("heads", ["wide", "slim"])
def test_a_cards_answers_are_those_of_its_graph(width: int, height: int, heads: str) -> None:
    """Worked out without the encoder, which may be of a package that the robot lacks."""
    card = tiny_card(architecture=Architecture(encoder="mobilenet_v3_small", neck="fpn", neck_channels=16, heads=heads))
    tasks = card.tasks | {
        "classification": TaskCard(kind="classification", settings={"labels": ["day", "night"]}),
        "lanes": TaskCard(kind="lanes", settings={"labels": ["drivable", "line"]}),
    }
    card = ModelCard.model_validate(card.model_dump() | {"tasks": {name: task.model_dump() for name, task in tasks.items()}})
    said = ExportedGraph(card=card, width=width, height=height, batch=2, tasks=list(tasks), precision="float32")
    graph = Graph(tiny_network(card), View.fit(width, height, card.input_width, card.input_height, 32), tasks).eval()
    with torch.no_grad():
        found = graph(torch.zeros((2, height, width, 3), dtype=torch.uint8), torch.zeros(2))
    assert {name: (tensor.numpy().dtype, tuple(tensor.shape)) for name, tensor in found.items()} == answers_of(said)


def test_a_weight_out_of_place_fails_in_words(exported: ExportReport, tmp_path: Path) -> None:
    """Right in shape, and yet it can't be run: indices that lead nowhere."""
    model = onnx.load(exported.path)
    users = {name for node in model.graph.node if node.op_type == "Gather" for name in node.input[1:2]}
    indices = [tensor for tensor in model.graph.initializer if tensor.name in users]
    if not indices:
        pytest.skip("this exporter gathers by no constant")
    for tensor in indices:
        values = onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.full_like(values, 10**6), tensor.name))
    (tmp_path / "astray.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="ONNX"):
        Engine.load(tmp_path / "astray.onnx", device="cpu", backend="onnxruntime").warm_up(96, 128)
