# SPDX-License-Identifier: Apache-2.0
"""Affinity on gradients whose answer is known, and the report from training to its page."""

from __future__ import annotations

import json
import re
from math import isfinite
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import torch
import yaml
from rich.console import Console
from shapes import write_shapes
from torch import nn

from mtl_perception.studies.affinity import Affinity, report_affinity
from mtl_perception.studies.affinity_page import in_words
from mtl_perception.studies.channels import specific_channels
from mtl_perception.studies.grouping import best_groups, group_score, partitions, propose_groups
from mtl_perception.studies.interference import Interference, measure
from mtl_perception.training import ConfigError


class Linear(nn.Module):
    """Losses that are linear in the parameters of two parts, with batch norm's running mean as a trap."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.neck = nn.Module(), nn.Linear(2, 1, bias=False)
        self.encoder.stages = nn.ModuleList([nn.Linear(2, 1, bias=False)])
        self.norm = nn.BatchNorm1d(1)
        with torch.no_grad():
            self.encoder.stages[0].weight.fill_(1.0)
            self.neck.weight.fill_(1.0)


GRADIENTS = {"a": ([3.0, 4.0], [1.0, 0.0]), "b": ([-4.0, 3.0], [2.0, 0.0]), "c": ([-3.0, -4.0], [0.0, 1.0])}


def linear_losses(network: Linear) -> dict[str, torch.Tensor]:
    network.norm(torch.randn(4, 1))
    weights = network.encoder.stages[0].weight[0], network.neck.weight[0]
    return {t: 10 + sum(torch.tensor(g) @ (w - 1) for g, w in zip(gs, weights, strict=True)) for t, gs in GRADIENTS.items()}


def test_cosines_conflicts_and_looks_ahead_are_those_of_the_gradients() -> None:
    network = Linear()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = measure(network, linear_losses, 7)
    assert found.step == 7
    assert found.cosine["a, b"]["stage 1"] == pytest.approx(0)
    assert found.cosine["a, b"]["neck"] == pytest.approx(1)
    assert found.cosine["a, c"]["stage 1"] == pytest.approx(-1)
    assert found.cosine["a, b"]["all"] == pytest.approx(2 / (26**0.5 * 29**0.5))
    assert found.conflict == {"a, b": 0.0, "a, c": 0.5, "b, c": 0.0}
    assert found.norms["a"] == pytest.approx(26**0.5)
    # Own loss falls by the share chosen; another's by the product of the gradients over the square of the first.
    assert found.affinity["a"]["a"] == pytest.approx(0.01, rel=1e-4)
    assert found.affinity["a"]["b"] == pytest.approx(0.01 * 2 / 26, rel=1e-3)
    assert found.affinity["b"]["a"] == pytest.approx(0.01 * 2 / 29, rel=1e-3)
    assert found.affinity["a"]["c"] == pytest.approx(-0.01 * 25 / 26, rel=1e-3)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_network_that_shares_nothing_can_not_be_measured() -> None:
    network = SimpleNamespace(architecture=SimpleNamespace(sharing=SimpleNamespace(method="soft")))
    from mtl_perception.studies.interference import layer_names

    with pytest.raises(ValueError, match="'soft' has no encoder that all tasks share"):
        layer_names(network)


def test_groups_join_the_tasks_that_help_each_other() -> None:
    affinity = {
        "a": {"a": 1.0, "b": 0.3, "c": -0.2},
        "b": {"a": 0.1, "b": 1.0, "c": -0.1},
        "c": {"a": -0.4, "b": 0.0, "c": 1.0},
    }
    assert len(list(partitions(["a", "b", "c", "d"]))) == 15
    assert group_score([["a", "b"], ["c"]], affinity) == pytest.approx((0.1 + 0.3 + 0.0) / 3)
    assert sorted(map(sorted, best_groups(affinity))) == [["a", "b"], ["c"]]
    assert set(propose_groups(affinity)) == {1, 2, 3}
    friends = {i: dict.fromkeys("abc", 0.2) for i in "abc"}
    assert len(best_groups(friends)) == 1
    assert len(best_groups({i: dict.fromkeys("abc", -0.2) for i in "abc"})) == 3
    assert len(best_groups({i: dict.fromkeys("abc", 0.0) for i in "abc"})) == 1  # the cheaper of equals


def test_channels_belong_to_the_task_that_suffers_without_them() -> None:
    importance = {"depth": [10.0, 0.1, 5.0, 0.0], "detection": [0.0, 0.02, 0.01, -0.1]}
    # Channel 1 is all that detection has; a depth of 0.1 is little beside depth's best.
    assert specific_channels(importance) == {"depth": [0], "detection": [1], "shared": [2], "unused": [3]}


@pytest.mark.parametrize(("late", "is_clear"), [((0.20, 0.25, 0.22), True), ((0.20, -0.19, 0.01), False)])
def test_groups_that_chance_may_have_made_are_called_so(late: tuple[float, ...], is_clear: bool) -> None:
    """Tasks a and b help each other or, at other times, harm each other; c harms both always by a little."""

    def at(step: int, help_: float) -> Interference:
        affinity = {"a": {"a": 1, "b": help_, "c": 0}, "b": {"a": help_, "b": 1, "c": 0}, "c": {"a": -0.01, "b": -0.01, "c": 1}}
        return Interference(step, {"a, b": {"all": 0.0}}, {"a, b": 0.5}, affinity, dict.fromkeys("abc", 1.0))

    course = [at(0, 0.0), *(at(i + 1, help_) for i, help_ in enumerate(late))]
    groups = [["a", "b"], ["c"]]
    found = Affinity("x", ["a", "b", "c"], 9, course, course[1].affinity, {}, {}, {2: (groups, 0.1)}, groups)
    assert in_words(found).endswith("share everything, or measure longer.") is not is_clear


def write(folder: Path, **changes: object) -> Path:
    values = {
        "name": "shapes",
        "variant": "lite",
        "data": str(folder / "shapes"),
        "output": str(folder / "x.safetensors"),
        "stages": [{"until": 1.0, "width": 64, "height": 64, "batch_size": 4}],
        "steps": 3,
        "warmup_steps": 0,
        "workers": 0,
        "device": "cpu",
        # Of few convolutions: losses behind many that are 8 channels wide are not linear over a step that takes 1 % off them.
        "architecture": {"neck_channels": 8, "neck": "fpn", "heads": "slim"},
        "tasks": ["detection", "segmentation", "depth"],
        "tensorboard": False,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**values, **changes}))
    return path


@pytest.mark.slow
def test_from_training_to_the_page(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 8)
    found = report_affinity(write(tmp_path), tmp_path / "out", 2, 1, Console(quiet=True), tmp_path / "docs")
    assert [one.step for one in found.course] == [0, 2, 3]
    assert list(found.course[0].cosine) == ["detection, segmentation", "detection, depth", "segmentation, depth"]
    assert list(found.course[0].cosine["segmentation, depth"]) == ["stage 1", "stage 2", "stage 3", "stage 4", "neck", "all"]
    # Their own loss falls by about the share that was asked for. Detection's is divided by how well boxes fit, which its gradient does not
    # know; and once depth is trained, so small a network is not linear enough: it rises by .001 on one processor and falls by .006 on another.
    own = {task: [one.affinity[task][task] for one in found.course] for task in found.tasks}
    assert all(0.002 < value < 0.02 for value in [*own["segmentation"], own["depth"][0]])
    assert all(isfinite(value) for one in found.course for row in one.affinity.values() for value in row.values())
    assert sorted(task for group in found.proposed for task in group) == sorted(found.tasks)
    assert sorted(c for channels in found.channels.values() for c in channels) == list(range(8))
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("<svg") == 8
    assert "Proposed groups" in page
    assert json.loads((tmp_path / "out" / "affinity.json").read_text())["proposed"] == found.proposed
    words = (tmp_path / "docs" / "affinity.md").read_text()
    shown = re.findall(r"\]\((.*?)\)", words)
    assert len(shown) == len(set(shown)) == page.count("<svg")
    assert {ElementTree.parse(tmp_path / "docs" / name).getroot().tag for name in shown} == {"{http://www.w3.org/2000/svg}svg"}
    assert f"Proposed groups: {' | '.join(' + '.join(group) for group in found.proposed)}." in words
    assert not (tmp_path / "x.safetensors").exists()


def test_one_task_has_no_affinity(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trains depth; affinity is between two tasks or more"):
        report_affinity(write(tmp_path, tasks=["depth"]), tmp_path / "out", 2, 1, Console(quiet=True))


@pytest.mark.slow
def test_the_network_is_trained_by_the_schedule_of_its_configuration(tmp_path: Path) -> None:
    """Depth and segmentation, which would begin later, are as little trained at the end as they were at first."""
    write_shapes(tmp_path / "shapes", 8)
    later = {"method": "easiest_first", "order": ["detection", "segmentation", "depth"], "apart": 0.45, "ramp": 0}
    found = report_affinity(write(tmp_path, task_schedule=later, steps=1), tmp_path / "out", 9, 1, Console(quiet=True))
    together = report_affinity(write(tmp_path, steps=1), tmp_path / "out", 9, 1, Console(quiet=True))
    assert found.course[0].norms == together.course[0].norms
    assert found.course[1].norms["depth"] != pytest.approx(together.course[1].norms["depth"], rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"balancing": "auto_lambda"}, "auto_lambda"),
        (
            {"task_schedule": {"method": "performance_gap", "goals": {"detection": 0.5, "segmentation": 0.5, "depth": 0.5}}},
            "performance_gap",
        ),
    ],
)
def test_what_follows_validation_is_not_measured_without(tmp_path: Path, changes: dict[str, object], name: str) -> None:
    config = write(tmp_path, **changes, validation={"share": 0.5, "every_steps": 1})
    with pytest.raises(ConfigError, match=f"'{name}' follows validation, which an affinity report does without"):
        report_affinity(config, tmp_path / "out", 9, 1, Console(quiet=True))


def test_stages_that_stand_still_are_left_out(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 8)
    found = report_affinity(
        write(tmp_path, frozen_stages=2, start_from="lite", architecture={}, steps=1), tmp_path / "out", 9, 1, Console(quiet=True)
    )
    assert list(found.course[0].cosine["segmentation, depth"]) == ["stage 3", "stage 4", "neck", "all"]
