# SPDX-License-Identifier: Apache-2.0
import io
from pathlib import Path

import pytest
import torch
from rich.console import Console
from runs import small_config
from shapes import write_shapes

from mtl_perception.model.checkpoint import load_checkpoint, read_card
from mtl_perception.training import train
from mtl_perception.training.sources import open_sources
from mtl_perception.training.state import note_validation, read_validations
from mtl_perception.training.validation import Interrupted, Validator


@pytest.mark.slow
def test_the_checkpoint_is_the_best_validated_one_and_the_last_is_kept(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 12)
    settings = {"share": 0.3, "every_steps": 1, "pictures": 1}
    # A learning rate that ruins the network once it is warm: the last weights are not the best.
    config = small_config(tmp_path, steps=4, ema_decay=0.0, learning_rate=3.0, warmup_steps=3, validation=settings)
    text = io.StringIO()
    train(config, Console(file=text, width=300))
    scores = [float(line.split("score ")[1].split()[0]) for line in text.getvalue().splitlines() if ": validation" in line]
    assert len(scores) == 4
    network, card = load_checkpoint(config.output)
    best = card.training["validation"]
    assert best["score"] == pytest.approx(max(scores), abs=1e-4)
    assert best["step"] == scores.index(max(scores)) + 1 == card.training["steps"]
    assert set(best["measures"]) == {"detection", "segmentation", "depth"}
    assert read_card(config.folder / "last.safetensors").training["steps"] == 4

    validator = Validator(config.validation, open_sources(config).held_out, card, torch.device("cpu"))
    again = validator(network, lambda: False)
    assert again.score == pytest.approx(best["score"], abs=0.01)  # the file holds half precision
    assert len(again.pictures) == 1 and again.pictures[0].shape == (96, 128, 3)
    with pytest.raises(Interrupted):
        validator(network, lambda: True)


def test_no_group_is_on_both_sides(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 12)
    sources = open_sources(small_config(tmp_path, validation={"share": 0.3, "every_steps": 1}))
    trained = {entry.group for folder in sources.samples.folders for entry in folder.entries}
    held_out = {entry.group for folder in sources.held_out for entry in folder.entries}
    assert trained and held_out and not trained & held_out
    fewer = open_sources(small_config(tmp_path, data_share=0.5, validation={"share": 0.3, "every_steps": 1}))
    assert {entry.group for folder in fewer.samples.folders for entry in folder.entries} < trained
    assert fewer.images < sources.images


@pytest.mark.slow
def test_a_network_of_one_task_is_scored_by_it_alone(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    config = small_config(tmp_path, steps=1, tasks=["depth"], validation={"data": str(tmp_path / "shapes"), "every_minutes": 9})
    card = read_card(train(config, Console(quiet=True)))
    best = card.training["validation"]
    assert list(card.tasks) == list(best["measures"]) == ["depth"]
    assert best["score"] == best["measures"]["depth"]["delta1"]


@pytest.mark.parametrize("cut", range(1, 42, 8))
def test_a_record_that_was_cut_off_takes_no_other_with_it(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "validations.jsonl"
    for step in (100, 200):
        note_validation(path, step, {"depth": step / 1000})
    path.write_bytes(path.read_bytes()[:-cut])
    for step in (200, 300):
        note_validation(path, step, {"depth": step / 1000})
    assert read_validations(path) == [(step, {"depth": step / 1000}) for step in (100, 200, 300)]
