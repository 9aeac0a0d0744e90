# SPDX-License-Identifier: Apache-2.0
"""A real ONNX detector that needs no weights: one box around all that is red."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SCORE = 0.9


def write_red_detector(folder: Path, width: int = 96, height: int = 96, labels: str = "[can]", more: str = "") -> Path:
    """Write red.onnx and return red.yaml, which describes it."""
    numbers = {
        "red": np.int64([0]),
        "green": np.int64([1]),
        "excess": np.float32(80),
        "far": np.float32(1e6),
        "nothing": np.float32(-1),
        "one": np.float32([1]),
        "x": np.arange(width, dtype=np.float32).reshape(1, 1, 1, width),
        "y": np.arange(height, dtype=np.float32).reshape(1, 1, height, 1),
        "score": np.float32([SCORE]),
        "zero": np.float32([0]),
        "shape": np.int64([1]),
        "ids": np.int64([0]),
    }
    node = helper.make_node
    nodes = [
        node("Gather", ["image", "red"], ["r"], axis=1),
        node("Gather", ["image", "green"], ["g"], axis=1),
        node("Sub", ["r", "g"], ["difference"]),
        node("Greater", ["difference", "excess"], ["is_red"]),
    ]
    for axis in "xy":
        nodes += [
            node("Where", ["is_red", axis, "far"], [f"{axis}_or_far"]),
            node("ReduceMin", [f"{axis}_or_far"], [f"{axis}_least"], keepdims=0),
            node("Where", ["is_red", axis, "nothing"], [f"{axis}_or_nothing"]),
            node("ReduceMax", [f"{axis}_or_nothing"], [f"{axis}_last"], keepdims=0),
            node("Reshape", [f"{axis}_least", "shape"], [f"{axis}1"]),
            node("Reshape", [f"{axis}_last", "shape"], [f"{axis}_most"]),
            node("Add", [f"{axis}_most", "one"], [f"{axis}2"]),
        ]
    nodes += [
        node("Concat", ["x1", "y1", "x2", "y2"], ["boxes"], axis=0),
        node("Greater", ["x_most", "nothing_1"], ["found"]),
        node("Where", ["found", "score", "zero"], ["scores"]),
        node("Identity", ["ids"], ["classes"]),
    ]
    numbers["nothing_1"] = np.float32([-1])
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, height, width))],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, (4,)),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1,)),
            helper.make_tensor_value_info("classes", TensorProto.INT64, (1,)),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "red.onnx")
    description = f"model: red.onnx\ntask: detection\nanswer: boxes\nwidth: {width}\nheight: {height}\nlabels: {labels}\n{more}"
    (folder / "red.yaml").write_text(description)
    return folder / "red.yaml"


def write_pictures(root: Path, count: int = 3) -> Path:
    """Grey pictures with a red rectangle each, without an index."""
    (root / "images").mkdir(parents=True)
    for i in range(count):
        image = np.full((96, 128, 3), 90, np.uint8)
        image[20:60, 40 + i : 70 + i] = (30, 30, 220)
        cv2.imwrite(str(root / f"images/{i}.png"), image)
    return root
