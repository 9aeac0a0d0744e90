# SPDX-License-Identifier: Apache-2.0
"""A graph as an ONNX model of standard operators."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mtl_perception.inference.exported import FOCAL_PX, IMAGES, METADATA_KEY, ExportedGraph
from mtl_perception.inference.graph import Graph, flat

if TYPE_CHECKING:
    import onnx

OPSET = 20

RAW = "raw."
"""Before the names of the heads' own tensors, where a model gives them out beside the answers."""


class ExportError(ValueError):
    """The network can't be exported as asked; the message says what to do."""


def export_graph(graph: Graph, batch: int) -> onnx.ModelProto:
    """The graph for batches of that size, as ``Graph.forward``; the heads' tensors come out too, under ``RAW``.

    Raises:
        ExportError: what exports is not installed.
    """
    return _export(_WithRaw(graph), example_inputs(graph, batch))


def export_network(graph: Graph) -> onnx.ModelProto:
    """From one image, (1, input_height, input_width, 3) uint8 as laid out for the network, to the heads' tensors.

    Raises:
        ExportError: what exports is not installed.
    """
    laid_out = torch.zeros((1, graph.view.input_height, graph.view.input_width, 3), dtype=torch.uint8)
    return _export(_Heads(graph), (laid_out,))


def finish(model: onnx.ModelProto, exported: ExportedGraph) -> None:
    """Leave only the answers to give out, and say what the model is; in place."""
    for output in [output for output in model.graph.output if output.name.startswith(RAW)]:
        model.graph.output.remove(output)
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=exported.model_dump_json())
    model.producer_name = "mtl_perception"


def example_inputs(graph: Graph, batch: int) -> tuple[Tensor, Tensor]:
    """Images with edges and flat parts, the same every time, and focal lengths."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (batch, 3, 12, 16), generator=generator).float()
    images = nn.functional.interpolate(coarse, (graph.view.height, graph.view.width)).permute(0, 2, 3, 1)
    return images.to(torch.uint8).contiguous(), torch.full((batch,), 0.8 * graph.view.width)


class _Heads(nn.Module):
    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.answering = graph

    def forward(self, laid_out_rgb: Tensor) -> dict[str, Tensor]:
        return _of_images(self.answering.infer(laid_out_rgb.permute(0, 3, 1, 2)))


class _WithRaw(nn.Module):
    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.answering = graph  # "graph" means something else in a traced module

    def forward(self, images_rgb: Tensor, focal_px: Tensor) -> dict[str, Tensor]:
        raw = self.answering.infer(self.answering.lay_out(images_rgb))
        heads = {f"{RAW}{name}": tensor.float() for name, tensor in _of_images(raw).items()}
        return self.answering.decode(raw, focal_px) | heads


def _of_images(raw: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """Without what a head says of no image in particular, such as where its cells lie: only the losses need it."""
    return {name: tensor for name, tensor in flat(raw).items() if not name.endswith((".points", ".strides"))}


def _export(module: nn.Module, example: tuple[Tensor, ...]) -> onnx.ModelProto:
    try:
        import onnxscript  # noqa: F401
        from onnx import inliner
    except ImportError as error:
        raise ExportError(f"exporting needs {error.name}: pip install 'mtl-perception[export]'") from error
    module.eval()
    with torch.no_grad(), _quietly():
        program = torch.onnx.export(
            module,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=[IMAGES, FOCAL_PX][: len(example)],
            output_names=list(module(*example)),
            external_data=False,
            verbose=False,
        )
        # Older exporters leave functions of their own in the file, some of operators that no runtime need have.
        model = inliner.inline_local_functions(program.model_proto)
    # What each node was in PyTorch is of no use to those who run it, and takes much of a small file.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return model


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's warnings about its own insides."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
