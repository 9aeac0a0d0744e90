# SPDX-License-Identifier: Apache-2.0
"""What classification looks at teaches segmentation, where no mask does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rich.console import Console
from shapes import SEGMENTATION_LABELS, write_shapes
from tiny import Tiny, tiny_config, tiny_encoder

from mtl_perception.data.batch import Batch, collate
from mtl_perception.data.folder import ImageFolder
from mtl_perception.tasks import build_task
from mtl_perception.tasks.classification.labels import ClassLabels
from mtl_perception.tasks.classification.task import activation_maps
from mtl_perception.training import ConfigError, train
from mtl_perception.training.cam_targets import CamTargets, CamTeacher

QUIET = Console(quiet=True)
TASKS = ["classification", "segmentation"]
CLASSES = ["can", "box", "person"]
"""In another order than segmentation has them, and one that segmentation does not know."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("cam") / "train", 8, width=64, height=64, classes=True)


@pytest.fixture(autouse=True)
def _tiny() -> Iterator[None]:
    with tiny_encoder():
        yield


def batch_of(root: Path, tiny: Tiny, masked: int, present: list[bool] | None = None) -> Batch:
    """Four images, the first ``masked`` of them with masks."""
    samples = [ImageFolder(root)[i] for i in range(4)]
    for i, sample in enumerate(samples):
        if i >= masked:
            del sample.labels["segmentation"]
        if present is not None:
            sample.labels["classification"] = ClassLabels(torch.tensor(present).numpy())
    return collate(samples, tiny.learner.network.tasks)


def teacher(head: torch.nn.Module, **settings: float) -> CamTeacher:
    tasks = {
        "classification": build_task("classification", {"labels": CLASSES}),
        "segmentation": build_task("segmentation", {"labels": SEGMENTATION_LABELS}),
    }
    return CamTeacher(CamTargets(**settings), tasks, torch.nn.ModuleDict({"classification": head}))


class Looks(torch.nn.Module):
    """A head whose class i is the mean of channel i."""

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"logits": features["p5"].mean((2, 3))}


def test_a_map_is_strong_where_the_features_speak_for_the_class_and_nowhere_else() -> None:
    p5 = torch.zeros(2, 3, 2, 3)
    p5[0, 0, 0, 1], p5[0, 1, 1, 2], p5[1, 0, 1, 0], p5[1, 0, 0, 0] = 5.0, 3.0, 4.0, -4.0
    maps = activation_maps(Looks(), {"p5": p5}, [1, 0])
    assert maps.shape == (2, 2, 2, 3)
    assert maps[0, 0].nonzero().tolist() == [[1, 2]]
    assert maps[0, 1].nonzero().tolist() == [[0, 1]]
    assert maps[1, 1].nonzero().tolist() == [[1, 0]], "what speaks against the class is not where it is"


def test_targets_are_classes_that_are_there_by_their_id_in_segmentation(root: Path, tmp_path: Path) -> None:
    tiny = Tiny(tiny_config(root, tmp_path, tasks=TASKS))
    batch = batch_of(root, tiny, masked=0, present=[True, False, True])  # a can, no box, and a person
    p5 = torch.zeros(4, 3, 2, 2)
    p5[:, 0, 0, 0], p5[:, 1, 1, 1], p5[:, 2, 0, 1] = 8.0, 8.0, 8.0
    raw = {"logits": torch.tensor([2.0, 2.0, 2.0]).repeat(4, 1)}
    logits = torch.randn(4, len(SEGMENTATION_LABELS), 2, 2, requires_grad=True)
    term = teacher(Looks()).terms({"p5": p5}, {"classification": raw, "segmentation": {"logits": logits}}, batch)["segmentation/cam"]
    term.total.backward()
    taught = logits.grad.abs().sum(1) > 0
    assert taught[0].tolist() == [[True, False], [False, False]] and float(term.count) == 4
    assert logits.grad[0, :, 0, 0].argmin() == SEGMENTATION_LABELS.index("can"), "its logit is pulled up"
    for scores, masked in (([-2.0] * 3, 0), ([2.0] * 3, 4)):  # a class that is not recognised yet; images that have masks
        with_masks = batch_of(root, tiny, masked=masked, present=[True, False, True])
        said = {"classification": {"logits": torch.tensor(scores).repeat(4, 1)}, "segmentation": {"logits": logits}}
        nothing = teacher(Looks()).terms({"p5": p5}, said, with_masks)["segmentation/cam"]
        assert float(nothing.count) == 0 and float(nothing.total.detach()) == 0


@pytest.mark.parametrize("sharing", ["hard", "cross_stitch", "mmoe"])
def test_segmentation_learns_from_images_without_masks(root: Path, tmp_path: Path, sharing: str) -> None:
    found = {}
    for name, cam in (("with", {"sure": 0.0}), ("without", None)):
        tiny = Tiny(tiny_config(root, tmp_path, tasks=TASKS, sharing=sharing, cam_targets=cam))
        gradient = tiny.step([batch_of(root, tiny, masked=1)])
        found[name] = {key: value for key, value in gradient.items() if ".heads.segmentation." in key}
    assert found["with"].keys() == found["without"].keys()
    assert all(value is not None and torch.isfinite(value).all() for value in found["with"].values())
    assert any(not torch.allclose(found["with"][key], found["without"][key]) for key in found["with"])


def test_a_run_with_partly_masked_images_trains_to_its_end(root: Path, tmp_path: Path) -> None:
    assert train(tiny_config(root, tmp_path, tasks=TASKS, cam_targets={}), QUIET).exists()


def test_maps_without_classification_are_an_error_before_training(root: Path, tmp_path: Path) -> None:
    for tasks, words in (
        (["segmentation", "depth"], "no task is trained that gives maps; add classification to 'tasks'"),
        (["classification", "depth"], "no task is trained that learns from them; add segmentation to 'tasks'"),
    ):
        with pytest.raises(ValueError, match=words):
            tiny_config(root, tmp_path, tasks=tasks, cam_targets={})
    with pytest.raises(ConfigError, match="no class of classification .person. is one of segmentation"):
        train(tiny_config(root, tmp_path / "none", tasks=TASKS, labels={"classification": ["person"]}, cam_targets={}), QUIET)
    assert not (tmp_path / "none" / "tiny.safetensors").exists()
