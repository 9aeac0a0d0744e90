# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from model import tiny_card, tiny_network

from mtl_perception.inference.export.run import ExportReport, ExportSettings, export
from mtl_perception.model.checkpoint import ModelCard, save_checkpoint
from mtl_perception.model.network import Architecture


@pytest.fixture(scope="session")
def small_card() -> ModelCard:
    """Few operators: exporting takes its time for each."""
    return tiny_card(architecture=Architecture(encoder="mobilenet_v3_small", neck="fpn", neck_channels=16))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, small_card: ModelCard) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    save_checkpoint(path, tiny_network(small_card), small_card)
    return path


@pytest.fixture(scope="session")
def exported(checkpoint: Path) -> ExportReport:
    """In float32, for two images of 128×96 at a time."""
    pytest.importorskip("onnxscript")
    return export(checkpoint, checkpoint.with_suffix(".onnx"), ExportSettings(batch=2))
