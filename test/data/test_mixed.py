# SPDX-License-Identifier: Apache-2.0
"""Several data sets with different tasks and classes in one stream, and what their labels may and may not teach."""

import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model import tiny_card, tiny_network
from shapes import write_shapes

from mtl_perception.data.batch import Batch, collate
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.mixed import MixedData
from mtl_perception.data.writer import Instance, LabelledImage, write_index, write_sample
from mtl_perception.model.checkpoint import ModelCard
from mtl_perception.model.network import MultiTaskNetwork
from mtl_perception.tasks import Sample
from mtl_perception.tasks.detection.labels import BoxLabels


def write_cups(root: Path, images: int) -> Path:
    """Pictures of cans and cups, labelled for detection and segmentation; no depth, no boxes of 'box', no floor."""
    entries = []
    for i in range(images):
        image = np.full((96, 128, 3), 120, np.uint8)
        semantic = np.full((96, 128), 255, np.uint8)
        instances = []
        for label, left, colour in (("cup", 10, (230, 230, 20)), ("can", 70, (40, 80, 220))):
            mask = np.zeros((96, 128), bool)
            mask[30 : 60 + i, left : left + 30] = True
            image[mask], semantic[mask] = colour, 0 if label == "cup" else 1
            instances.append(Instance.of_mask(label, mask))
        labelled = LabelledImage(image, None, f"table{i}", instances, {"segmentation": semantic})
        entries.append(write_sample(root, f"cups{i}", labelled))
    labels = {"segmentation_labels": ["cup", "can"], "detection_labels": ["can", "cup"]}
    write_index(root, labels, entries)
    return root


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[ImageFolder]:
    root = tmp_path_factory.mktemp("mixed")
    return [ImageFolder(write_shapes(root / "shapes", 8)), ImageFolder(write_cups(root / "cups", 3))]


def card_for(mixed: MixedData) -> ModelCard:
    card = tiny_card()
    for task, labels in (("detection", mixed.labels["detection"]), ("segmentation", mixed.labels["segmentation"])):
        card.tasks[task].settings["labels"] = labels
    return card


@pytest.fixture(scope="module")
def network(folders: list[ImageFolder]) -> MultiTaskNetwork:
    return tiny_network(card_for(MixedData(folders)))


def test_label_lists_are_united_by_name(folders: list[ImageFolder]) -> None:
    mixed = MixedData(folders)
    assert mixed.labels["segmentation"] == ["floor", "wall", "box", "can", "cup"]
    assert mixed.labels["detection"] == ["box", "can", "cup"]
    cups = mixed.folders[1][0]
    assert set(np.unique(cups.labels["segmentation"])) == {3, 4, 255}
    boxes = cups.labels["detection"]
    assert [mixed.labels["detection"][i] for i in boxes.class_ids] == ["cup", "can"]
    assert boxes.boxes_xyxy.tolist() == [[10, 30, 40, 60], [70, 30, 100, 60]]
    assert boxes.labelled.tolist() == [False, True, True]
    assert "depth" not in cups.labels
    assert mixed.folders[0][0].labels["detection"].labelled.tolist() == [True, True, False]


def test_a_class_that_nobody_asks_for_goes(folders: list[ImageFolder]) -> None:
    shapes = folders[0].with_labels({"segmentation": ["wall", "cup"], "detection": ["can"]})
    for i in range(len(shapes)):
        own, other = folders[0][i].labels, shapes[i].labels
        np.testing.assert_array_equal(other["segmentation"] == 0, own["segmentation"] == 1)
        assert set(np.unique(other["segmentation"])) <= {0, 255}
        np.testing.assert_array_equal(other["detection"].boxes_xyxy, own["detection"].boxes_xyxy[own["detection"].class_ids == 1])
    # A folder that knows none of the classes is not labelled for the task.
    assert "detection" not in folders[0].with_labels({"segmentation": [], "detection": ["cup"]})[0].labels


@pytest.mark.parametrize(("alpha", "share"), [(1.0, 8 / 11), (0.0, 0.5), (0.5, 8**0.5 / (8**0.5 + 3**0.5))])
def test_folders_are_drawn_by_their_share_and_images_evenly(folders: list[ImageFolder], alpha: float, share: float) -> None:
    mixed = MixedData(folders, alpha, seed=3)
    assert mixed.shares[0] == pytest.approx(share, abs=1e-3)
    drawn = [mixed.locate(i) for i in range(2 * 1024)]
    assert sum(folder == 0 for folder, _ in drawn) == round(2 * 1024 * mixed.shares[0])
    for folder, images in ((0, 8), (1, 3)):
        rows = [row for f, row in drawn if f == folder]
        for start in range(0, len(rows) - images, images):
            assert set(rows[start : start + images]) == set(range(images))
    assert drawn != [MixedData(folders, alpha, seed=4).locate(i) for i in range(2 * 1024)]


def test_a_stream_goes_on_where_it_stopped_also_in_another_process(folders: list[ImageFolder]) -> None:
    mixed = MixedData(folders, 0.5, seed=3)
    again = pickle.loads(pickle.dumps(MixedData(folders, 0.5, seed=3)))
    assert [again.locate(i) for i in (5000, 3, 1023, 1024)] == [mixed.locate(i) for i in (5000, 3, 1023, 1024)]
    np.testing.assert_array_equal(again[77].image, mixed[77].image)


def test_one_folder_among_hundreds_is_drawn_at_all(folders: list[ImageFolder]) -> None:
    many = MixedData([folders[0]] * 50 + [folders[1].subset([0])], alpha=1.0)
    assert Counter(many.locate(i)[0] for i in range(1024))[50] >= 1


@pytest.mark.parametrize("bad", [{"folders": []}, {"alpha": 1.5}, {"alpha": -0.1}])
def test_what_can_not_be_drawn_from_is_refused(folders: list[ImageFolder], bad: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        MixedData(**{"folders": folders, **bad})


def test_an_empty_part_is_refused_by_name(folders: list[ImageFolder]) -> None:
    with pytest.raises(ValueError, match="shapes is left"):
        MixedData([folders[0].subset([])])


def head_gradients(network: MultiTaskNetwork, samples: list[Sample]) -> dict[str, torch.Tensor]:
    """Of the detection loss's sums, undivided, with respect to the head's raw outputs."""
    batch = collate(samples, network.tasks)
    raw = {key: value.detach().requires_grad_(value.is_floating_point()) for key, value in network(batch.images)["detection"].items()}
    terms = network.tasks["detection"].loss(raw, batch.targets["detection"], batch.labelled["detection"], batch.focal_px)
    sum(term.total for term in terms.values()).backward()
    return {key: raw[key].grad for key in ("class_logits", "boxes_xyxy")}


def without_class(sample: Sample, class_id: int) -> Sample:
    boxes = sample.labels["detection"]
    labelled = np.ones(3, bool) if boxes.labelled is None else boxes.labelled.copy()
    labelled[class_id] = False
    kept = boxes.class_ids != class_id
    fewer = BoxLabels(boxes.boxes_xyxy[kept], boxes.class_ids[kept], labelled)
    return replace(sample, labels={**sample.labels, "detection": fewer})


def test_an_unlabelled_class_teaches_nothing_and_leaves_the_others_alone(folders: list[ImageFolder], network: MultiTaskNetwork) -> None:
    cups = MixedData(folders).folders[1]
    samples = [cups[i] for i in range(3)]
    whole = head_gradients(network, samples)
    some = head_gradients(network, [samples[0], without_class(samples[1], 2), samples[2]])
    assert (some["class_logits"][1, :, 2] == 0).all()
    assert (whole["class_logits"][1, :, 2] != 0).any()
    # The can and the cup stand apart, so no cell changes its owner: everything else is as it was, bit by bit.
    torch.testing.assert_close(some["class_logits"][..., :2], whole["class_logits"][..., :2], rtol=0, atol=0)
    for image in (0, 2):
        torch.testing.assert_close(some["class_logits"][image], whole["class_logits"][image], rtol=0, atol=0)
        torch.testing.assert_close(some["boxes_xyxy"][image], whole["boxes_xyxy"][image], rtol=0, atol=0)
    # "box" is not in that folder's list: its scores are pushed nowhere, neither up nor down.
    assert (whole["class_logits"][..., 0] == 0).all()


def test_classes_that_are_all_labelled_change_no_number(folders: list[ImageFolder], network: MultiTaskNetwork) -> None:
    samples = [folders[0].with_labels({"detection": ["box", "can"]})[i] for i in range(4)]
    network = tiny_network()
    said = [replace(s, labels={**s.labels, "detection": s.labels["detection"]._replace(labelled=np.ones(2, bool))}) for s in samples]
    for key, value in head_gradients(network, samples).items():
        torch.testing.assert_close(head_gradients(network, said)[key], value, rtol=0, atol=0)


def loss(network: MultiTaskNetwork, batch: Batch, task: str) -> torch.Tensor:
    terms = network.tasks[task].loss(network(batch.images)[task], batch.targets[task], batch.labelled[task], batch.focal_px)
    return sum(term.weight * term.total / term.count for term in terms.values())


def gradients(network: MultiTaskNetwork, samples: list[Sample], task: str) -> dict[str, torch.Tensor]:
    network.zero_grad()
    batch = collate(samples, network.tasks)
    loss(network, batch, task).backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("removed", ["detection", "segmentation", "depth", "class"])
def test_in_a_mixed_batch_removed_labels_change_no_other_tasks_gradient(
    folders: list[ImageFolder], network: MultiTaskNetwork, removed: str
) -> None:
    mixed = MixedData(folders, 0.0, seed=1)
    samples = [mixed[i] for i in range(4)]
    assert {"cups" in s.name for s in samples} == {True, False}
    fewer = list(samples)
    for i in (0, 3):
        labels = {kind: label for kind, label in samples[i].labels.items() if kind != removed}
        fewer[i] = without_class(samples[i], 1) if removed == "class" else replace(samples[i], labels=labels)
    for task in {"detection", "segmentation", "depth"} - {"detection" if removed == "class" else removed}:
        torch.testing.assert_close(gradients(network, fewer, task), gradients(network, samples, task), rtol=0, atol=0)


def test_batch_norm_sees_the_whole_batch_whatever_is_labelled(folders: list[ImageFolder]) -> None:
    mixed = MixedData(folders, 0.0, seed=1)
    samples = [mixed[i] for i in range(4)]
    bare = [samples[0], *(replace(s, labels={"depth": np.ones((96, 128), np.float32)}) for s in samples[1:])]
    statistics = []
    for labelled in (samples, bare):
        trained = tiny_network(card_for(mixed)).train()
        batch = collate(labelled, trained.tasks)
        loss(trained, batch, "depth").backward()
        statistics.append({name: value for name, value in trained.state_dict().items() if "running" in name})
    torch.testing.assert_close(statistics[0], statistics[1], rtol=0, atol=0)
    # The heads too are run on every image, labelled for them or not.
    assert any(".heads.detection." in f".{name}" for name in statistics[0]), list(statistics[0])[-3:]
