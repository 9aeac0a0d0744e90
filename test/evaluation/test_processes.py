# SPDX-License-Identifier: Apache-2.0
"""Scores of scenes that several processes have found."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from model import tiny_card, tiny_network
from shapes import write_shapes

from mtl_perception.evaluation.processes import EngineSettings, scenes_of
from mtl_perception.evaluation.samples import open_samples
from mtl_perception.evaluation.scenes import evaluate_engine
from mtl_perception.model.checkpoint import save_checkpoint


@pytest.mark.slow
def test_two_processes_give_the_scores_of_one(tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "shapes", 5)
    save_checkpoint(tmp_path / "tiny.safetensors", tiny_network(), tiny_card())
    settings = EngineSettings(tmp_path / "tiny.safetensors", "cpu", "float32", "torch")
    engine, found = settings.load(), []
    for ask in (None, functools.partial(scenes_of, settings, 2)):
        with open_samples(data, engine.card, None, None, None) as samples:
            found.append(evaluate_engine(engine, samples, None, ask))
    one, two = found
    assert len(one.frames) == 5 and one.frames == two.frames
    assert one.scores["depth"] == two.scores["depth"] and one.scores["segmentation"]["mIoU"] == two.scores["segmentation"]["mIoU"]
