# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console

from mtl_perception.checkpoint import CheckpointError, load_checkpoint, read_card, save_checkpoint
from mtl_perception.data.folder import ImageFolder
from mtl_perception.inference import Engine
from mtl_perception.training import ConfigError, read_config, train
from model import tiny_card, tiny_network
from shapes import write_shapes


def write_config(folder: Path, **changes: object) -> Path:
    values = {
        "name": "shapes",
        "variant": "lite",
        "data": str(folder / "shapes"),
        "output": str(folder / "shapes.safetensors"),
        "steps": 150,
        "stages": [{"until": 1.0, "width": 128, "height": 96, "batch_size": 8, "max_zoom": 1.2}],
        "warmup_steps": 10,
        "learning_rate": 3e-3,
        "ema_decay": 0.95,
        "workers": 0,
        "device": "cpu",
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in {**values, **changes}.items() if v is not None}))
    return path


def test_a_short_training_learns_all_three_tasks(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 48)
    held_out = ImageFolder(write_shapes(tmp_path / "held_out", 8, seed=9))
    checkpoint = train(read_config(write_config(tmp_path)), Console(quiet=True))
    card = read_card(checkpoint)
    assert card.detection_labels == ["box", "can"]
    assert card.training["steps"] == 150
    engine = Engine.load(checkpoint, device="cpu")
    samples = [held_out[i] for i in range(8)]
    scenes = [engine(s.image, s.intrinsics) for s in samples]
    right = np.mean([(scene.segmentation.mask == s.labels["segmentation"]).mean() for scene, s in zip(scenes, samples, strict=True)])
    error = np.mean([np.abs(scene.depth.depth_m / s.labels["depth"] - 1).mean() for scene, s in zip(scenes, samples, strict=True)])
    # Guessing the commonest class and the mean depth reaches 0.55 and 0.45 here.
    assert right > 0.75
    assert error < 0.3


def test_data_may_be_labelled_for_some_tasks_only(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 12)
    config = write_config(tmp_path, tasks={"depth": 1.0}, steps=2)
    assert list(read_card(train(read_config(config), Console(quiet=True))).tasks) == ["depth"]


def test_loader_processes_outlive_a_change_of_stage(tmp_path: Path) -> None:
    # A forked loader process once hung in OpenCV's thread pool, in the second stage only.
    write_shapes(tmp_path / "shapes", 12)
    stage = {"width": 128, "height": 96, "batch_size": 4}
    config = write_config(tmp_path, steps=4, workers=1, stages=[{"until": 0.5, **stage}, {"until": 1.0, **stage}])
    assert read_card(train(read_config(config), Console(quiet=True))).training["samples"] == 16


def test_a_run_can_start_from_a_checkpoint(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 12)
    start = tmp_path / "start.safetensors"
    save_checkpoint(start, tiny_network(), tiny_card(), dtype=torch.float32)
    config = write_config(tmp_path, steps=1, ema_decay=0.0, learning_rate=1e-9, warmup_steps=0, start_from=str(start))
    tuned, card = load_checkpoint(train(read_config(config), Console(quiet=True)))
    for name, value in tiny_network().named_parameters():
        torch.testing.assert_close(tuned.get_parameter(name), value, rtol=2e-3, atol=2e-3)
    assert card.training["start_from"]["name"] == "tiny"
    save_checkpoint(start, tiny_network(tiny_card("base")), tiny_card("base"))
    with pytest.raises(CheckpointError, match="resnet18.*same variant"):
        train(read_config(config), Console(quiet=True))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learning_rat": 1}, "learning_rat"),
        ({"learning_rate": -1}, "learning_rate.*-1"),
        ({"variant": "huge"}, "variant.*lite.*huge"),
        ({"tasks": {"pose": 1.0}}, "pose.*detection, segmentation, depth"),
        ({"tasks": {"depth": 0.0}}, "'depth' has weight 0.0"),
        ({"minutes": 5}, "exactly one of 'minutes' and 'steps'"),
        ({"steps": None}, "exactly one of 'minutes' and 'steps'"),
        ({"stages": [{"until": 0.5, "width": 128, "height": 96, "batch_size": 8}]}, "the last one 1.0"),
        ({"stages": [{"until": 1.0, "width": 100, "height": 96, "batch_size": 8}]}, "multiple of 32.*100"),
    ],
)
def test_a_wrong_configuration_names_key_and_value(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_config(write_config(tmp_path, **changes))


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.yaml does not exist"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1,")
    with pytest.raises(ConfigError, match="bad.yaml is not valid YAML"):
        read_config(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="holds list"):
        read_config(tmp_path / "list.yaml")


def test_the_shipped_configurations_are_valid() -> None:
    configs = sorted((Path(__file__).parents[2] / "config" / "train").glob("*.yaml"))
    assert configs
    for path in configs:
        read_config(path)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 12)
    config = read_config(write_config(tmp_path, learning_rate=1e30, warmup_steps=0, steps=20))
    with pytest.raises(RuntimeError, match="no longer finite"):
        train(config, Console(quiet=True))


def test_shared_weights_average_is_what_is_saved(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 12)
    frozen = train(read_config(write_config(tmp_path, steps=3, ema_decay=0.0)), Console(quiet=True))
    latest = Engine.load(frozen, device="cpu")
    write_config(tmp_path, steps=3, ema_decay=0.9999, output=str(tmp_path / "slow.safetensors"))
    slow = Engine.load(train(read_config(tmp_path / "config.yaml"), Console(quiet=True)), device="cpu")
    a = dict(latest._network.named_parameters())["heads.depth.regress.weight"]
    b = dict(slow._network.named_parameters())["heads.depth.regress.weight"]
    assert not torch.equal(a, b)
