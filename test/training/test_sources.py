# SPDX-License-Identifier: Apache-2.0
"""Which samples, in which labels, a run trains and validates on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from runs import small_config

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.writer import Instance, LabelledImage, write_index, write_sample
from mtl_perception.evaluation.samples import FolderSamples
from mtl_perception.model.checkpoint import ModelCard, TaskCard
from mtl_perception.tasks import TASKS, Sample
from mtl_perception.training import ConfigError
from mtl_perception.training.sources import balancing_settings, open_sources

NAMES = {
    "detection": ["cup", "chair", "door"],
    "segmentation": ["floor", "wall", "cup"],
    "classification": ["night", "tunnel", "wet"],
    "lanes": ["drivable", "line", "curb"],
}
TURNED = {task: names[::-1] for task, names in NAMES.items()}
CAMERA = Intrinsics(64, 64, 60, 60, 31.5, 31.5)


def write_everything(root: Path, names: dict[str, list[str]], images: int = 2, colour: int = 90) -> Path:
    """Pictures that are labelled for every task with the first class of ``NAMES`` that ``names`` has, in the order of ``names``."""
    first = {task: next(iter([name for name in NAMES[task] if name in own] or own)) for task, own in names.items()}
    entries = []
    mask = np.zeros((64, 64), bool)
    mask[8:40, 8:40] = True
    for i in range(images):
        labelled = LabelledImage(
            np.full((64, 64, 3), colour + i, np.uint8),
            CAMERA,
            f"room{i}",
            instances=[Instance.of_mask(first["detection"], mask)],
            maps={
                "segmentation": np.full((64, 64), names["segmentation"].index(first["segmentation"]), np.uint8),
                "depth": np.full((64, 64), 2.0, np.float32),
                "lanes": np.full((64, 64), 1 << names["lanes"].index(first["lanes"]), np.uint8),
            },
            classes=[first["classification"]],
        )
        entries.append(write_sample(root, f"{i:04d}", labelled))
    lists = {f"{task}_labels": own for task, own in names.items()}
    write_index(root, {**lists, "generator": "test", "seed": 0}, entries)
    return root


def said(sample: Sample, labels: dict[str, list[str]]) -> dict[str, set[str]]:
    """The names that a sample's labels stand for in these lists."""
    found = sample.labels
    return {
        "detection": {labels["detection"][i] for i in found["detection"].class_ids},
        "segmentation": {labels["segmentation"][i] for i in np.unique(found["segmentation"])},
        "classification": {name for name, present in zip(labels["classification"], found["classification"].present) if present},
        "lanes": {name for k, name in enumerate(labels["lanes"]) if (found["lanes"].bits >> k & 1).any()},
    }


def test_what_is_held_out_speaks_of_the_classes_that_are_trained(tmp_path: Path) -> None:
    """A folder to validate on has the same names in another order: for every kind of labels, by its name."""
    write_everything(tmp_path / "shapes", NAMES)
    held_out = write_everything(tmp_path / "held_out", TURNED, colour=20)
    config = small_config(tmp_path, tasks=list(TASKS), validation={"data": str(held_out), "every_steps": 1})
    sources = open_sources(config)
    assert sources.labels == NAMES and sources.notes == []
    expected = {task: {names[0]} for task, names in NAMES.items()}
    assert said(sources.samples[0], NAMES) == expected
    assert said(sources.held_out[0][0], NAMES) == expected


def test_folders_that_are_mixed_and_split_keep_one_order(tmp_path: Path) -> None:
    folders = [write_everything(tmp_path / "a", NAMES, 4), write_everything(tmp_path / "b", TURNED, 4, colour=20)]
    config = small_config(tmp_path, data=list(map(str, folders)), tasks=list(TASKS), validation={"share": 0.5, "every_steps": 1})
    sources = open_sources(config)
    expected = {task: {names[0]} for task, names in NAMES.items()}
    assert len(sources.held_out) == 2
    assert all(said(folder[i], sources.labels) == expected for folder in sources.held_out for i in range(len(folder)))


def test_classes_and_tasks_that_validation_can_not_score_are_named(tmp_path: Path) -> None:
    write_everything(tmp_path / "shapes", NAMES)
    other = {**NAMES, "detection": ["cup", "door", "sofa"], "lanes": ["rail"]}
    held_out = write_everything(tmp_path / "held_out", other, colour=20)
    tasks = ["detection", "segmentation", "lanes"]
    notes = open_sources(small_config(tmp_path, tasks=tasks, validation={"data": str(held_out), "every_steps": 1})).notes
    assert notes == [
        f"validation does not score the detection labels chair: {held_out} does not have them",
        f"validation does not score lanes: no image of {held_out} is labelled for it with a class that is trained",
    ]
    with pytest.raises(ConfigError, match="held_out is labelled for lanes with a class that is trained, so nothing can be scored"):
        open_sources(small_config(tmp_path, tasks=["lanes"], validation={"data": str(held_out), "every_steps": 1}))


def test_images_that_are_validated_on_and_trained_on_are_told(tmp_path: Path) -> None:
    root = write_everything(tmp_path / "shapes", NAMES, 3)
    other = write_everything(tmp_path / "other", NAMES, 2, colour=20)
    config = small_config(tmp_path, validation={"data": str(other), "every_steps": 1})
    assert open_sources(config).notes == []
    (other / "images" / "0001.jpg").write_bytes((root / "images" / "0002.jpg").read_bytes())
    assert open_sources(config).notes == [
        f"1 of 2 images to validate on are trained on too ({other}/images/0001.jpg is {root}/images/0002.jpg): scores say nothing of others"
    ]


def test_a_model_is_scored_by_the_names_of_a_folder_and_what_it_lacks_is_told(tmp_path: Path) -> None:
    folder = write_everything(tmp_path / "folder", NAMES)
    labels = {**TURNED, "classification": ["wet", "night"], "lanes": ["curb", "drivable"]}
    tasks = {task: TaskCard(kind=task, settings={"labels": names}) for task, names in labels.items()}
    card = ModelCard(name="x", architecture={"encoder": "resnet18", "neck_channels": 8}, input_width=64, input_height=64, tasks=tasks)
    samples = FolderSamples(folder, card)
    (_, _, truth), _ = samples
    assert labels["detection"][truth.class_ids[0]] == "cup"
    assert labels["segmentation"][truth.mask[0, 0]] == "floor"
    assert truth.labels["classification"].present.tolist() == [False, True]
    assert truth.labels["lanes"].bits[0, 0] == 0b10
    assert samples.left_out == {"tunnel", "line"}


def test_classes_that_do_not_occur_leave_the_weights_of_the_others_alone(tmp_path: Path) -> None:
    """Three classes that no image has would have pushed the others' weights to the floor, all alike."""
    weights = []
    for absent in ([], ["sofa", "lamp", "rug"]):
        root, entries = tmp_path / f"absent{len(absent)}", []
        for i in range(2):
            semantic = np.zeros((64, 64), np.uint8)
            semantic[:16], semantic[:2] = 1, 2
            labelled = LabelledImage(np.full((64, 64, 3), 90 + i, np.uint8), CAMERA, f"room{i}", maps={"segmentation": semantic})
            entries.append(write_sample(root, f"{i:04d}", labelled))
        lists = {"segmentation_labels": [*NAMES["segmentation"], *absent], "detection_labels": []}
        write_index(root, {**lists, "generator": "test", "seed": 0}, entries)
        sources = open_sources(small_config(tmp_path, data=str(root), tasks=["segmentation"]))
        weights.append(balancing_settings(sources, "segmentation")["class_weights"])
    assert weights[1] == [*weights[0], 2.5, 2.5, 2.5]
    assert weights[0] == sorted(weights[0]) and weights[0][0] < 0.7 < 1.5 < weights[0][2]


def test_a_folder_keeps_its_own_order_only_as_long_as_nobody_asks_for_another(tmp_path: Path) -> None:
    folder = ImageFolder(write_everything(tmp_path / "folder", TURNED))
    assert said(folder[0], TURNED) == {task: {names[0]} for task, names in NAMES.items()}
