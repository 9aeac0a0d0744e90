# SPDX-License-Identifier: Apache-2.0
"""Which weights of an earlier checkpoint a run begins with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
import torch
from model import tiny_card, tiny_network
from runs import small_config, spoken
from shapes import write_shapes

from mtl_perception.core.resources import find_model
from mtl_perception.model.checkpoint import CheckpointError, ModelCard, TaskCard, build_network, load_checkpoint, save_checkpoint
from mtl_perception.model.network import Architecture, MultiTaskNetwork
from mtl_perception.tasks import TASKS, HeadStyle
from mtl_perception.training.start import take_over

WITH_CLASSES = [kind for kind, task in TASKS.items() if task.class_layers]
BEFORE, NOW = ["cup", "chair", "table", "door"], ["sofa", "table", "cup", "lamp", "door", "tray"]
SHARED = [name for name in NOW if name in BEFORE]
IMAGES = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def card_of(tasks: dict[str, dict], sharing: object = "hard", heads: str = "wide") -> ModelCard:
    architecture = Architecture(encoder="mobilenet_v3_small", neck_channels=8, sharing=sharing, heads=heads)
    heads = {task: TaskCard(kind=task, settings=settings) for task, settings in tasks.items()}
    return ModelCard(name="tiny", architecture=architecture, input_width=64, input_height=64, tasks=heads)


def started(folder: Path, before: ModelCard, now: ModelCard) -> tuple[MultiTaskNetwork, MultiTaskNetwork, MultiTaskNetwork, list[str]]:
    """The earlier network; the new one before and after it took over the earlier one's weights; what was said."""
    earlier = tiny_network(before, seed=1)
    save_checkpoint(folder / "start.safetensors", earlier, before, dtype=torch.float32)
    fresh, network = tiny_network(now, seed=2), tiny_network(now, seed=2)
    return earlier, fresh, network, take_over(folder / "start.safetensors", network, now)


@torch.no_grad()
def logits(network: MultiTaskNetwork, task: str) -> torch.Tensor:
    """What the head says of each class, classes first."""
    raw = network(IMAGES)[task]
    return raw["class_logits"].movedim(2, 0) if task == "detection" else raw["logits"].movedim(1, 0)


def rows(network: MultiTaskNetwork, labels: list[str]) -> dict[str, torch.Tensor]:
    """Every row of a class, by tensor and class."""
    state = network.state_dict()
    return {f"{name} {label}": state[name][i] for name in network.named_axes() for i, label in enumerate(labels)}


@pytest.mark.slow
@pytest.mark.parametrize("heads", get_args(HeadStyle))
@pytest.mark.parametrize("task", WITH_CLASSES)
def test_classes_in_another_order_are_the_same_classes(tmp_path: Path, task: str, heads: str) -> None:
    order = [2, 0, 3, 1]
    before, now = ({task: {"labels": labels}} for labels in (BEFORE, [BEFORE[i] for i in order]))
    earlier, _, network, said = started(tmp_path, card_of(before, heads=heads), card_of(now, heads=heads))
    torch.testing.assert_close(logits(network, task), logits(earlier, task)[order], rtol=0, atol=0)
    assert len(said) == 1 and "new" not in said[0]


@pytest.mark.slow
@pytest.mark.parametrize("task", WITH_CLASSES)
def test_a_class_without_a_namesake_begins_anew_and_is_listed(tmp_path: Path, task: str) -> None:
    earlier, _, network, said = started(tmp_path, card_of({task: {"labels": BEFORE}}), card_of({task: {"labels": NOW}}))
    before, new = logits(earlier, task), logits(network, task)
    for name in SHARED:
        torch.testing.assert_close(new[NOW.index(name)], before[BEFORE.index(name)], rtol=1e-5, atol=1e-5)
    # A new class begins as the mean of those that are known.
    for name, row in rows(network, NOW).items():
        tensor, label = name.split()
        if label in ("sofa", "lamp", "tray"):
            torch.testing.assert_close(row, earlier.state_dict()[tensor].mean(0))
    assert said[1:] == [
        f"classes of {task} that are newly initialised (3 of 6): sofa, lamp, tray",
        f"classes of {task} that are left behind (1 of 4): chair",
    ]


@pytest.mark.parametrize("heads", get_args(HeadStyle))
@pytest.mark.parametrize("task", TASKS)
def test_a_task_names_every_layer_that_depends_on_its_classes(task: str, heads: str) -> None:
    settings = [{"labels": NOW[:count]} if task in WITH_CLASSES else {} for count in (4, 5)]
    networks = [build_network(card_of({task: of_task}, heads=heads)) for of_task in settings]
    first, second = (network.state_dict() for network in networks)
    grows = {name for name, value in first.items() if value.shape != second[name].shape}
    assert grows == set(networks[0].named_axes())
    assert bool(grows) == (task in WITH_CLASSES)


@pytest.mark.slow
def test_tasks_in_another_order_keep_their_mixture_of_streams(tmp_path: Path) -> None:
    tasks = {"depth": {}, "segmentation": {"labels": BEFORE}, "lanes": {"labels": BEFORE}}
    before, now = card_of(tasks, "cross_stitch"), card_of(dict(reversed(tasks.items())), "cross_stitch")
    earlier = build_network(before)
    with torch.no_grad():
        for i, stitch in enumerate(earlier.stitches):
            stitch.copy_(torch.rand(stitch.shape, generator=torch.Generator().manual_seed(i)))
    save_checkpoint(tmp_path / "start.safetensors", earlier.eval(), before, dtype=torch.float32)
    network = build_network(now).eval()
    said = take_over(tmp_path / "start.safetensors", network, now)
    for task in ("segmentation", "lanes"):
        torch.testing.assert_close(logits(network, task), logits(earlier, task), rtol=1e-4, atol=1e-4)
    assert "new" not in said[0]


def test_a_depth_of_another_range_and_a_head_of_another_kind_begin_anew(tmp_path: Path) -> None:
    before = card_of({"depth": {"max_m": 80.0}, "detection": {"labels": BEFORE}})
    now = card_of({"depth": {}, "detection": {"labels": BEFORE}})
    before.tasks["segmentation"] = TaskCard(kind="lanes", settings={"labels": BEFORE})
    now.tasks["segmentation"] = TaskCard(kind="segmentation", settings={"labels": BEFORE})
    earlier, fresh, network, said = started(tmp_path, before, now)
    assert said == [f"starting from {tmp_path / 'start.safetensors'}; new: heads.depth, heads.segmentation"]
    for name, value in network.named_parameters():
        from_before = not name.startswith(("heads.depth", "heads.segmentation"))
        assert torch.equal(value, (earlier if from_before else fresh).get_parameter(name)), name


def test_heads_of_another_style_begin_anew_above_the_same_trunk(tmp_path: Path) -> None:
    tasks = {"detection": {"labels": BEFORE}, "segmentation": {"labels": BEFORE}}
    earlier, fresh, network, said = started(tmp_path, card_of(tasks), card_of(tasks, heads="slim"))
    assert len(said) == 1 and said[0].endswith(", heads.detection, heads.segmentation")
    for own, other in ((network.encoder, earlier.encoder), (network.heads, fresh.heads)):
        assert all(torch.equal(value, other.get_parameter(name)) for name, value in own.named_parameters())


@pytest.mark.slow
def test_a_run_starts_from_a_shipped_model_by_its_name_class_by_class(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "shapes", 6)
    lite, _ = load_checkpoint(find_model("lite"))
    names = lite.tasks["detection"].labels
    # The shapes get names that lite has too, in another order, and one that it has not.
    renamed = {"box": names[5], "can": "spaceship"}
    for file in ("dataset.json", "annotations.json"):
        index = json.loads((root / file).read_text())
        if file == "dataset.json":
            index["detection_labels"] = [renamed[name] for name in index["detection_labels"]]
        else:
            index["categories"] = [category | {"name": renamed[category["name"]]} for category in index["categories"]]
        (root / file).write_text(json.dumps(index))
    config = small_config(tmp_path, steps=1, ema_decay=0.0, learning_rate=1e-9, warmup_steps=0, start_from="lite", tasks=["detection"])
    said = spoken(config)
    assert "starting from lite\n" in said
    assert "classes of detection that are newly initialised (1 of 2): spaceship\n" in said
    tuned, card = load_checkpoint(config.output)
    assert card.training["start_from"]["name"] == "lite"
    for level, layer in tuned.heads["detection"].classify.items():
        expected = lite.heads["detection"].classify[level].weight[5]
        torch.testing.assert_close(layer.weight[0], expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("start", ["light", "out/none.safetensors"])
def test_a_start_that_is_not_there_is_refused_with_the_names_that_are(tmp_path: Path, start: str) -> None:
    with pytest.raises(CheckpointError, match=f"start_from: no model '{start}'.*base, lite"):
        take_over(Path(start), build_network(tiny_card()), tiny_card())
