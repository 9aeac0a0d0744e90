# SPDX-License-Identifier: Apache-2.0
"""What every task promises: losses that ignore what is not labelled, and decoding that gives back the truth."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from model import tiny_network
from pretended_gpu import can_pretend, pretend_on_gpu, pretended
from shapes import DETECTION_LABELS, SEGMENTATION_LABELS, write_shapes
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.nn import functional as F

from mtl_perception.core.geometry import View
from mtl_perception.data.batch import Batch, collate
from mtl_perception.data.folder import ImageFolder
from mtl_perception.model.network import MultiTaskNetwork
from mtl_perception.tasks import CollectOptions, Sample, Task, build_task
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.losses import TaskLosses, present_tasks, task_losses


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = ImageFolder(write_shapes(tmp_path_factory.mktemp("shapes"), 4))
    return [folder[i] for i in range(4)]


def without(sample: Sample, *tasks: str) -> Sample:
    return replace(sample, labels={k: v for k, v in sample.labels.items() if k not in tasks})


def losses_of(network: MultiTaskNetwork, batch: Batch) -> TaskLosses:
    present = present_tasks([batch], list(network.tasks), Ranks())[0]
    return task_losses(network(batch.images), batch, network.tasks, present)


def gradients(network: MultiTaskNetwork, batch: Batch, task: str) -> dict[str, torch.Tensor]:
    """Gradients of one task's loss with respect to every parameter, batch norms running on fixed statistics."""
    network.zero_grad()
    losses_of(network, batch).losses[task].backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.slow
@pytest.mark.parametrize("removed", ["detection", "segmentation", "depth"])
def test_removing_one_tasks_labels_changes_no_other_tasks_gradient(samples: list[Sample], removed: str) -> None:
    network = tiny_network()
    some = [without(samples[0], removed), samples[1], without(samples[2], removed), samples[3]]
    whole, partial = collate(samples, network.tasks), collate(some, network.tasks)
    for task in network.tasks:
        if task == removed:
            continue
        torch.testing.assert_close(gradients(network, partial, task), gradients(network, whole, task), rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["detection", "segmentation", "depth"])
def test_an_unlabelled_sample_weighs_nothing_in_its_tasks_loss(samples: list[Sample], task: str) -> None:
    network = tiny_network()
    mixed = collate([samples[0], without(samples[1], task), samples[2]], network.tasks)
    only = collate([samples[0], samples[2]], network.tasks)
    with torch.no_grad():
        expected = losses_of(network, only).terms
        found = losses_of(network, mixed).terms
    names = [name for name in expected if name.startswith(f"{task}/")]
    assert names
    for name in names:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_task_without_any_label_is_left_out_not_zero(samples: list[Sample]) -> None:
    network = tiny_network()
    batch = collate([without(s, "depth") for s in samples], network.tasks)
    assert set(losses_of(network, batch).losses) == {"detection", "segmentation"}


@pytest.mark.slow
def test_losses_are_finite_where_there_is_nothing_to_learn_from(samples: list[Sample]) -> None:
    network = tiny_network()
    empty = replace(
        samples[0],
        labels={
            "detection": type(samples[0].labels["detection"])(np.zeros((0, 4), np.float32), np.zeros(0, np.int64)),
            "segmentation": np.full_like(samples[0].labels["segmentation"], 255),
            "depth": np.zeros_like(samples[0].labels["depth"]),
        },
    )
    batch = collate([empty, empty], network.tasks)
    found = losses_of(network, batch)
    # An image known to hold nothing still teaches the detector; the dense tasks have no pixel to learn from.
    assert set(found.losses) == {"detection"}
    assert all(torch.isfinite(value) for value in found.terms.values())


@pytest.mark.slow
@can_pretend
def test_losses_lie_where_the_batch_does(samples: list[Sample]) -> None:
    """On a GPU, a tensor made on the host by mistake would end the first step with an error."""
    network = tiny_network().train()
    batch = collate(samples, network.tasks)
    present = present_tasks([batch], list(network.tasks), Ranks())[0]
    with FakeTensorMode(shape_env=ShapeEnv()):
        pretend_on_gpu(network)
        on_gpu = batch._map(pretended)
        found = task_losses(network(on_gpu.images), on_gpu, network.tasks, present)
    assert {tensor.device.type for tensor in (*found.losses.values(), *found.values.values(), *found.terms.values())} == {"cuda"}


def identity_view(width: int, height: int) -> View:
    return View(width, height, 1.0, width, height, width, height)


def decoded_by(task: Task, raw: dict[str, Tensor], view: View, focal_px: float = 0.0, score_threshold: float = 0.3) -> Any:
    """What the task says of the only image of a batch."""
    answers = {name: tensor[0].numpy() for name, tensor in task.decode(raw, view, torch.tensor([focal_px])).items()}
    return task.collect(answers, CollectOptions(score_threshold))


def test_depth_decodes_to_the_metres_it_was_trained_on(samples: list[Sample]) -> None:
    task = build_task("depth", {"min_m": 0.1, "max_m": 30.0, "canonical_focal_px": 300.0})
    depth_m = F.interpolate(torch.rand(1, 1, 6, 8) * 5 + 0.5, (24, 32), mode="bilinear")
    canonical = depth_m * 300.0 / 150.0
    place = (canonical.log() - np.log(0.1)) / (np.log(30.0) - np.log(0.1))
    raw = {"z": torch.logit(place), "log_scale": torch.zeros_like(place)}
    decoded = decoded_by(task, raw, identity_view(32, 24), focal_px=150.0)
    np.testing.assert_allclose(decoded.depth_m, depth_m[0, 0].numpy(), rtol=1e-4)


def test_depths_uncertainty_is_the_standard_deviation_that_its_loss_teaches() -> None:
    """Where the true error of log depth is Laplacian, the scale with the least loss decodes to that error's spread."""
    task = build_task("depth", {"min_m": 0.1, "max_m": 30.0, "canonical_focal_px": 300.0})
    noise = torch.distributions.Laplace(0.0, 0.1).sample((1, 1, 64, 64))
    truth_m = (2.0 * noise.exp()).repeat_interleave(2, 2).repeat_interleave(2, 3)[:, 0]
    place = torch.full((1, 1, 32, 32), float(np.log(2.0 / 0.1) / np.log(30.0 / 0.1)))

    def loss(log_scale: float) -> float:
        raw = {"z": torch.logit(place), "log_scale": torch.full_like(place, log_scale)}
        terms = task.loss(
            raw, {"depth_m": truth_m, "is_metric": torch.ones(len(truth_m), dtype=torch.bool)}, torch.tensor([True]), torch.tensor([300.0])
        )
        return float(terms["uncertainty"].total)

    best = min(np.linspace(-5, 0, 101), key=loss)
    raw = {"z": torch.logit(place), "log_scale": torch.full_like(place, best)}
    decoded = decoded_by(task, raw, identity_view(128, 96))
    assert decoded.depth_m.shape == (96, 128)
    assert decoded.relative_std.shape == (24, 32)
    np.testing.assert_allclose(decoded.relative_std, float(noise.std()), rtol=0.1)


def test_depth_loss_is_zero_only_for_the_right_focal_length() -> None:
    task = build_task("depth", {})
    depth_m, focal_px = torch.full((1, 16, 16), 2.0), torch.tensor([450.0])
    canonical = 2.0 * 300.0 / 450.0
    place = (np.log(canonical) - np.log(0.1)) / (np.log(30.0) - np.log(0.1))
    raw = {"z": torch.full((1, 1, 4, 4), float(np.log(place / (1 - place)))), "log_scale": torch.zeros(1, 1, 4, 4)}
    right = task.loss(raw, {"depth_m": depth_m, "is_metric": torch.ones(len(depth_m), dtype=torch.bool)}, torch.tensor([True]), focal_px)
    wrong = task.loss(
        raw, {"depth_m": depth_m, "is_metric": torch.ones(len(depth_m), dtype=torch.bool)}, torch.tensor([True]), focal_px * 2
    )
    assert float(right["log_l1"].total / right["log_l1"].count) < 1e-5
    assert float(wrong["log_l1"].total / wrong["log_l1"].count) == pytest.approx(np.log(2), rel=1e-4)
    assert float(wrong["gradient"].total) == pytest.approx(0, abs=1e-4)


def test_segmentation_decodes_to_the_winning_class() -> None:
    task = build_task("segmentation", {"labels": SEGMENTATION_LABELS})
    logits = torch.full((1, 4, 6, 8), -8.0)
    logits[:, 2, :, :4], logits[:, 1, :, 4:] = 8.0, 8.0
    decoded = decoded_by(task, {"logits": logits}, identity_view(32, 24))
    assert (decoded.mask[:, :14] == 2).all()
    assert (decoded.mask[:, 18:] == 1).all()
    assert (decoded.confidence[:, :12] == 255).all()
    # Halfway between the two, neither is sure.
    assert decoded.confidence[:, 15:17].max() < 170


def test_detection_decodes_to_the_box_and_suppresses_its_double() -> None:
    task = build_task("detection", {"labels": DETECTION_LABELS, "nms_iou": 0.6})
    logits = torch.full((1, 4, 2), -9.0)
    logits[0, 0, 1], logits[0, 1, 1], logits[0, 2, 0] = 3.0, 2.0, 1.0
    boxes = torch.tensor([[[10, 10, 50, 40], [11, 10, 50, 40], [10, 10, 50, 40], [0, 0, 9, 9]]]).float()
    # The image fills 64×48 of an input of 64×64 and is twice as large in the original.
    view = View(128, 96, 0.5, 64, 48, 64, 64)
    raw = {"class_logits": logits, "boxes_xyxy": boxes}
    decoded = decoded_by(task, raw, view)
    assert decoded.class_ids.tolist() == [1, 0]
    assert decoded.boxes_xyxy.tolist() == [[20, 20, 100, 80], [20, 20, 100, 80]]
    sure = decoded_by(task, raw, view, score_threshold=0.8)
    assert sure.class_ids.tolist() == [1]
    # With any threshold, what was suppressed stays so.
    assert decoded_by(task, raw, view, score_threshold=0.0).class_ids.tolist()[:2] == [1, 0]
    assert len(decoded_by(task, raw, view, score_threshold=0.0)) == 4


def test_a_view_of_another_shape_is_padded_and_cut_back() -> None:
    view = View.fit(1280, 720, 384, 288, 32)
    assert (view.content_width, view.content_height) == (384, 216)
    assert (view.input_width, view.input_height) == (384, 224)
    task = build_task("segmentation", {"labels": SEGMENTATION_LABELS})
    logits = torch.zeros(1, 4, 56, 96)
    logits[:, 3, :54] = 9.0  # the content: 216 of 224 rows
    logits[:, 0, 54:] = 30.0  # the padding must not leak in
    mask = decoded_by(task, {"logits": logits}, view).mask
    assert mask.shape == (720, 1280)
    assert (mask[:700] == 3).all()


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("segmentation", {"labels": ["a", "b"], "class_weights": [1.0]}, "1 values for 2 labels"),
        ("segmentation", {"labels": ["alone"]}, "the only class is alone, expected two or more"),
        ("depth", {"min_m": 3.0, "max_m": 2.0}, "max_m is 2.0"),
        ("depth", {"focal": 3.0}, "focal"),
        ("detection", {}, "labels"),
    ],
)
def test_wrong_settings_are_named(kind: str, settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build_task(kind, settings)
