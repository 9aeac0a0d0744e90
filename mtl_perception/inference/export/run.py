# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to one file that holds the whole way from pixels to boxes, masks and depth."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import torch

from mtl_perception.core.files import write_atomically
from mtl_perception.core.geometry import View
from mtl_perception.data.folder import ImageFolder
from mtl_perception.inference.export.onnx_graph import ExportError, example_inputs, export_graph, finish
from mtl_perception.inference.export.parity import Difference, differences
from mtl_perception.inference.export.tensorrt import compile_for_tensorrt, require_tensorrt
from mtl_perception.inference.exported import METADATA_KEY, ExportedGraph
from mtl_perception.inference.folding import fold_batch_norms
from mtl_perception.inference.graph import Graph
from mtl_perception.inference.onnx_file import read_exported
from mtl_perception.model.checkpoint import ModelCard, load_checkpoint, read_card
from mtl_perception.model.network import MAX_STRIDE

FORMATS = ("onnx", "torch-export", "tensorrt")
EXPORT_PRECISIONS = ("float32", "float16", "int8")
_SHORT = {"fp32": "float32", "fp16": "float16"}
_SUFFIXES = {"onnx": ".onnx", "torch-export": ".pt2", "tensorrt": ".tensorrt.onnx"}

RAW_TOLERANCE = 1e-4
"""By which a head's tensor of a float32 export may differ from PyTorch's; see ``Difference.relative``."""


class ExportSettings(NamedTuple):
    """Options of an export.

    Attributes:
        file_format: one of ``FORMATS``.
        precision: one of ``EXPORT_PRECISIONS``, or fp32 or fp16.
        width, height: of the camera's images, pixels; None for the network's own size.
        input_width, input_height: what the network sees of them at most, multiples of 32; None for the card's.
        batch: images at a time.
        tasks: heads that the file has; None for all.
        calibration: folder of images in our data format that int8 is calibrated on.
    """

    file_format: str = "onnx"
    precision: str = "float32"
    width: int | None = None
    height: int | None = None
    input_width: int | None = None
    input_height: int | None = None
    batch: int = 1
    tasks: Collection[str] | None = None
    calibration: Path | None = None

    def checked(self) -> ExportSettings:
        """With the precision's full name.

        Raises:
            ExportError: a value is not known or can't be.
        """
        if self.file_format not in FORMATS:
            raise ExportError(f"format '{self.file_format}' is not known; expected one of: {', '.join(FORMATS)}")
        precision = _SHORT.get(self.precision, self.precision)
        if precision not in EXPORT_PRECISIONS:
            raise ExportError(f"precision '{self.precision}' is not known; expected one of: {', '.join(EXPORT_PRECISIONS)}")
        if precision == "int8" and self.file_format != "onnx":
            raise ExportError(f"int8 is for the format onnx, not for {self.file_format}")
        if precision == "int8" and self.calibration is None:
            raise ExportError(
                "int8 needs pictures like those the network will see: --calibration DIR, a folder in the package's data format"
            )
        for name, value in (("width", self.width), ("height", self.height), ("batch", self.batch)):
            if value is not None and value < 1:
                raise ExportError(f"{name} is {value}, expected a positive number")
        for name, value in (("input width", self.input_width), ("input height", self.input_height)):
            if value is not None and (value < 1 or value % MAX_STRIDE):
                near = max(MAX_STRIDE, round(value / MAX_STRIDE) * MAX_STRIDE)
                raise ExportError(f"the network's {name} is {value}, expected a multiple of {MAX_STRIDE}, such as {near}")
        return self._replace(precision=precision)


class ExportReport(NamedTuple):
    """Where the file lies, and how its answers differ from PyTorch's; nothing to compare for other formats than ONNX."""

    path: Path
    differences: list[Difference]


def export(checkpoint: Path, out: Path | None, settings: ExportSettings) -> ExportReport:
    """Export a checkpoint and compare what was exported with PyTorch.

    Args:
        out: path of the new file; None for the checkpoint's name, beside where the command runs.

    Raises:
        ExportError: it can't be exported so, or what was exported says something else than PyTorch.
        CheckpointError: the file is no usable checkpoint.
        OSError: the file can't be written; one of that name is kept.
    """
    settings = settings.checked()
    network, card = load_checkpoint(checkpoint)
    card = card.model_copy(
        update={"input_width": settings.input_width or card.input_width, "input_height": settings.input_height or card.input_height}
    )
    unknown = sorted(set(settings.tasks or ()) - set(card.tasks))
    if unknown:
        raise ExportError(f"task '{unknown[0]}' is not in {checkpoint}; it has: {', '.join(card.tasks)}")
    width, height = settings.width or card.input_width, settings.height or card.input_height
    view = View.fit(width, height, card.input_width, card.input_height, MAX_STRIDE)
    graph = Graph(fold_batch_norms(network).requires_grad_(False), view, settings.tasks or card.tasks).eval()
    exported = ExportedGraph(
        card=card, width=width, height=height, batch=settings.batch, tasks=list(graph.task_names), precision=settings.precision
    )
    path = out or Path(
        f"{checkpoint.stem}{'' if settings.precision == 'float32' else f'_{settings.precision}'}{_SUFFIXES[settings.file_format]}"
    )
    if path.is_dir():
        raise ExportError(
            f"{path} is a folder, expected the new file, such as {path / f'{checkpoint.stem}{_SUFFIXES[settings.file_format]}'}"
        )
    if settings.file_format == "torch-export":
        return _torch_export(graph, exported, path)
    return _onnx(graph, exported, path, settings)


def _onnx(graph: Graph, exported: ExportedGraph, path: Path, settings: ExportSettings) -> ExportReport:
    # A wrong folder, or that TensorRT is missing, is told before the export has taken its time.
    if settings.file_format == "tensorrt":
        require_tensorrt()
    calibration = ImageFolder(settings.calibration) if settings.calibration is not None else None
    # What is compared with stays in float32; the graph itself is converted in place.
    example = example_inputs(graph, exported.batch)
    with torch.no_grad():
        raw = graph.infer(graph.lay_out(example[0]))
        expected, expected_raw = graph.decode(raw, example[1]), raw
    if exported.precision == "float16":
        graph.network.half()
    model = export_graph(graph, exported.batch)
    if exported.precision == "int8":
        from mtl_perception.inference.export.int8 import quantize

        model = quantize(model, exported, calibration)
    found = differences(model.SerializeToString(), example, expected, expected_raw)
    if exported.precision == "float32":
        worst = max((difference for difference in found if difference.is_raw), key=lambda difference: difference.relative)
        if worst.relative > RAW_TOLERANCE:
            raise ExportError(
                f"the exported {worst.name} differs from PyTorch's by {worst.largest:.1e}, expected at most "
                f"{RAW_TOLERANCE * max(1.0, worst.magnitude):.0e}; "
                "nothing was written. Another version of torch or onnxruntime may help; please report it"
            )
    finish(model, exported)
    if settings.file_format == "tensorrt":
        model = compile_for_tensorrt(model, exported)
    write_atomically(path, model.SerializeToString())
    return ExportReport(path, found)


def _torch_export(graph: Graph, exported: ExportedGraph, path: Path) -> ExportReport:
    """A program that ``torch.export.load`` reads, on the device and in the precision it was made in."""
    if exported.precision == "float16":
        graph.network.half()
    program = torch.export.export(graph, example_inputs(graph, exported.batch))
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={METADATA_KEY: exported.model_dump_json()})
    write_atomically(path, content.getvalue())
    return ExportReport(path, [])


def card_of(path: Path) -> ModelCard:
    """The card of a checkpoint or of an exported file.

    Raises:
        CheckpointError: there is none.
    """
    if path.suffix.lower() != ".onnx":
        return read_card(path)
    return read_exported(path).card
