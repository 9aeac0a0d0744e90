# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
import torch
from model import tiny_card, tiny_network
from rich.console import Console
from runs import SMALL, small_config, spoken, weights_of
from shapes import write_shapes

from mtl_perception.data.folder import ImageFolder
from mtl_perception.inference import Engine
from mtl_perception.model.checkpoint import CheckpointError, load_checkpoint, read_card, save_checkpoint
from mtl_perception.training import train


@pytest.mark.slow
def test_a_short_training_learns_all_three_tasks(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 48)
    held_out = ImageFolder(write_shapes(tmp_path / "held_out", 8, seed=9))
    stage = {"until": 1.0, "width": 128, "height": 96, "batch_size": 8, "max_zoom": 1.2}
    config = small_config(tmp_path, steps=150, stages=[stage], warmup_steps=10, learning_rate=3e-3, cache=True)
    checkpoint = train(config, Console(quiet=True))
    card = read_card(checkpoint)
    assert card.detection_labels == ["box", "can"]
    assert card.training["steps"] == 150
    engine = Engine.load(checkpoint, device="cpu", backend="torch")  # others convert first, which is tested elsewhere
    samples = [held_out[i] for i in range(8)]
    scenes = [engine(s.image, s.intrinsics) for s in samples]
    right = np.mean([(scene.segmentation.mask == s.labels["segmentation"]).mean() for scene, s in zip(scenes, samples, strict=True)])
    error = np.mean([np.abs(scene.depth.depth_m / s.labels["depth"] - 1).mean() for scene, s in zip(scenes, samples, strict=True)])
    # Guessing the commonest class and the mean depth reaches 0.55 and 0.45 here.
    assert right > 0.75
    assert error < 0.3


@pytest.mark.slow
def test_a_run_says_how_it_goes_and_leaves_curves(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    config = small_config(tmp_path, steps=2, tensorboard=True, validation={"share": 0.3, "every_steps": 1, "pictures": 1})
    lines = spoken(config).splitlines()
    assert lines[0].startswith(" 50.0 %  step 1  64x64  det/quality ")
    assert "images/s  left 0:" in lines[0]
    assert lines[1].startswith("step 1: validation score 0.")
    assert lines[-1].startswith(f"wrote {config.output}: step ")

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(config.folder / "tensorboard"))
    events.Reload()
    scalars = {"loss/depth/silog", "weight/depth", "gradient_norm", "learning_rate", "images_per_s", "validation/score"}
    assert scalars <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("loss/depth/silog")] == [1, 2]
    assert events.Tags()["images"] == ["validation/0"]


@pytest.mark.slow
def test_a_run_can_start_from_a_checkpoint(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 12)
    start = tmp_path / "start.safetensors"
    save_checkpoint(start, tiny_network(), tiny_card(), dtype=torch.float32)
    config = small_config(tmp_path, steps=1, ema_decay=0.0, learning_rate=1e-9, warmup_steps=0, start_from=str(start))
    tuned, card = load_checkpoint(train(config, Console(quiet=True)))
    for name, value in tiny_network().named_parameters():
        torch.testing.assert_close(tuned.get_parameter(name), value, rtol=2e-3, atol=2e-3)
    assert card.training["start_from"]["name"] == "tiny"
    save_checkpoint(start, tiny_network(tiny_card("base")), tiny_card("base"))
    with pytest.raises(CheckpointError, match=r"the encoder is yolox_nano\+efficientnet_lite0, this run's yolox_nano.*start from lite"):
        train(config, Console(quiet=True), restart=True)


@pytest.mark.slow
def test_shared_weights_average_is_what_is_saved(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 12)
    config = small_config(tmp_path, steps=3, ema_decay=0.5)
    network, _ = load_checkpoint(train(config, Console(quiet=True)))
    name = "heads.depth.regress.weight"
    average = torch.load(config.folder / "state.pt", weights_only=True)["average"][f"module.{name}"]
    torch.testing.assert_close(network.get_parameter(name), average, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(average, weights_of(config)[name], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_tasks_may_come_from_different_folders(tmp_path: Path) -> None:
    import json

    folders = []
    for task in ("depth", "segmentation"):
        root = write_shapes(tmp_path / task, 4)
        index = json.loads((root / "annotations.json").read_text())
        for image in index["images"]:
            image["tasks"] = [task]
        (root / "annotations.json").write_text(json.dumps(index | {"annotations": []}))
        folders.append(str(root))
    config = small_config(tmp_path, data=folders, tasks={"depth": 2.0, "segmentation": 1.0}, steps=2, stages=[{**SMALL, "batch_size": 8}])
    said = spoken(config)
    assert "dep/silog" in said and "seg/cross_entropy" in said
    assert f"of the samples 50.0 % come from {folders[0]}, 50.0 % come from {folders[1]}" in said
    assert read_card(config.output).training["images"] == 8


@pytest.mark.slow
def test_a_balancing_method_may_look_at_held_out_images(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 8)
    changes = {"steps": 2, "tasks": ["segmentation", "depth"], "balancing": {"method": "auto_lambda", "learning_rate": 0.01}}
    config = small_config(tmp_path, **changes, validation={"share": 0.3, "every_steps": 9, "images": 1, "pictures": 0})
    train(config, Console(quiet=True))
    numbers = torch.load(config.folder / "state.pt", weights_only=True)["balancer"]["weights"]["numbers"]
    assert all(value != 0.1 for value in numbers.values())
