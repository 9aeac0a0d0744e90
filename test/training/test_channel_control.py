# SPDX-License-Identifier: Apache-2.0
"""Channels are reported of a trained network, and a run that starts from it holds its tasks to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console
from shapes import write_shapes
from tiny import Tiny, batches_of, tiny_config, tiny_encoder
from torch import Tensor

from mtl_perception.model.checkpoint import CheckpointError, load_checkpoint
from mtl_perception.studies.channel_report import report_channels
from mtl_perception.training import ConfigError, train
from mtl_perception.training.channel_control import ChannelControl, ChannelReport, GradientGate, channel_gains, read_channel_report

QUIET = Console(quiet=True)
TASKS = ["segmentation", "depth"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """With images, two trained networks, and the channel report of the first, which is made into one of every kind of channel."""
    folder = tmp_path_factory.mktemp("channels")
    write_shapes(folder / "train", 8)
    with tiny_encoder():
        for seed, name in enumerate(("first", "second")):
            train(tiny_config(folder / "train", folder / name, tasks=TASKS, seed=seed), QUIET)
        measured(folder)
        yield folder


def start(folder: Path, name: str = "first") -> Path:
    return folder / name / "tiny.safetensors"


def measured(folder: Path) -> ChannelReport:
    config = tiny_config(folder / "train", folder / "next", tasks=TASKS, start_from=start(folder))
    (folder / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_defaults=True)))
    return report_channels(folder / "config.yaml", folder / "report", 1, QUIET)


def known(folder: Path, **changes: object) -> Path:
    """A report of the first network that says what channels 0 to 7 carry."""
    report = read_channel_report(folder / "report" / "channels.json", TASKS, 8)
    channels = {"segmentation": [0, 1], "depth": [2], "shared": [3, 4, 5, 6], "unused": [7]}
    importance = {"segmentation": [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.5, 0.0], "depth": [0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.0]}
    path = folder / "known.json"
    path.write_text(report.model_copy(update={"channels": channels, "importance": importance, **changes}).model_dump_json())
    return path


def controlled(folder: Path, mode: str, report: Path | None = None, **changes: object) -> Tiny:
    control = {"report": report or known(folder), "mode": mode}
    return Tiny(tiny_config(folder / "train", folder / mode, tasks=TASKS, start_from=start(folder), channel_control=control, **changes))


def test_a_report_has_a_place_for_every_channel_and_trains_nothing(folder: Path) -> None:
    before = start(folder).read_bytes()
    report = measured(folder)
    assert {task: len(values) for task, values in report.importance.items()} == {"segmentation": 8, "depth": 8}
    assert sorted(channel for of in report.channels.values() for channel in of) == list(range(8))
    assert report == read_channel_report(folder / "report" / "channels.json", TASKS, 8)
    assert start(folder).read_bytes() == before


def seen(tiny: Tiny) -> dict[str, dict[str, Tensor]]:
    return tiny.learner.network.eval().pyramids(torch.full((2, 3, 64, 64), 100, dtype=torch.uint8), TASKS)


def test_mask_hides_what_belongs_to_others_and_reweight_weighs_by_what_channels_carry(folder: Path) -> None:
    plain = seen(Tiny(tiny_config(folder / "train", folder / "plain", tasks=TASKS, start_from=start(folder))))
    masked, weighed = seen(controlled(folder, "mask")), seen(controlled(folder, "reweight"))
    for task, hidden in (("segmentation", [2]), ("depth", [0, 1])):
        gains = torch.tensor([float(channel not in hidden) for channel in range(8)]).view(1, -1, 1, 1)
        for level, values in plain[task].items():
            torch.testing.assert_close(masked[task][level], values * gains)
    # alike 1; of one task alone 2 for it and the least for the other; .5 against 1 → 2/3 and 4/3; of nobody 1
    expected = {"segmentation": [2, 2, 0.5, 1, 1, 1, 2 / 3, 1], "depth": [0.5, 0.5, 2, 1, 1, 1, 4 / 3, 1]}
    for task, gains in expected.items():
        torch.testing.assert_close(weighed[task]["p3"], plain[task]["p3"] * torch.tensor(gains).view(1, -1, 1, 1), rtol=1e-3, atol=1e-4)


def test_freeze_changes_no_answer_and_keeps_gradients_out(folder: Path) -> None:
    report = read_channel_report(known(folder), TASKS, 8)
    level = torch.randn(2, 8, 4, 4, requires_grad=True)
    gate = GradientGate(report)
    for task, closed in (("segmentation", [2]), ("depth", [0, 1])):
        passed = gate(task, {"p3": level})["p3"]
        assert torch.equal(passed, level)
        (gradient,) = torch.autograd.grad(passed.sum(), level)
        assert gradient[:, closed].abs().sum() == 0
        assert torch.equal(gradient[:, [c for c in range(8) if c not in closed]], torch.ones(2, 8 - len(closed), 4, 4))


def test_freeze_reaches_the_step(folder: Path) -> None:
    """With every channel but one a segmentation's own, depth alone trains next to nothing of the neck; without control it does."""
    of_segmentation = known(folder, channels={"segmentation": list(range(8)), "depth": [], "shared": [], "unused": []})
    tiny = controlled(folder, "freeze", of_segmentation)
    batch = batches_of(folder / "train", tiny.learner, 4)
    for schedule, moves in (({"segmentation": 0.0, "depth": 1.0}, False), ({"segmentation": 1.0, "depth": 0.0}, True)):
        gradient = tiny.step(batch, schedule=schedule)
        trunk = [g for name, g in gradient.items() if name.startswith(("0.encoder.", "0.neck.")) and g is not None]
        assert any(bool(g.any()) for g in trunk) is moves, schedule
    assert tiny.learner.card.architecture.channel_gains == {}


@pytest.mark.parametrize("mode", ["mask", "reweight"])
def test_a_checkpoint_remembers_its_gains_and_is_not_continued_without_them(folder: Path, mode: str) -> None:
    control = {"report": known(folder), "mode": mode}
    config = tiny_config(folder / "train", folder / f"trained_{mode}", tasks=TASKS, start_from=start(folder), channel_control=control)
    network, card = load_checkpoint(train(config, QUIET))
    assert card.architecture.channel_gains == channel_gains(ChannelControl(**control), read_channel_report(known(folder), TASKS, 8))
    assert card.training["channel_control"] == mode
    found = network.pyramids(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), TASKS)
    assert not torch.equal(found["segmentation"]["p3"], found["depth"]["p3"])
    with pytest.raises(CheckpointError, match="reads its channels through channel_gains, which this run's architecture does not have"):
        Tiny(tiny_config(folder / "train", folder / "after", tasks=TASKS, start_from=config.output))


def test_a_report_of_another_network_is_refused_before_training(folder: Path) -> None:
    control = {"report": known(folder), "mode": "mask"}
    config = tiny_config(folder / "train", folder / "other", tasks=TASKS, start_from=start(folder, "second"), channel_control=control)
    with pytest.raises(ConfigError, match="is of another network .*first.* than the one this run starts from"):
        train(config, QUIET)
    assert not config.output.exists()
    with pytest.raises(ConfigError, match="is of the tasks segmentation, depth, this run trains detection, segmentation, depth"):
        read_channel_report(known(folder), ["detection", *TASKS], 8)
    with pytest.raises(ConfigError, match="is of a network with 8 channels, this one has 16"):
        read_channel_report(known(folder), TASKS, 16)
    (folder / "affinity.json").write_text('{"importance": {"depth": [0.1]}}')
    with pytest.raises(ConfigError, match="is no channel report"):
        read_channel_report(folder / "affinity.json", TASKS, 8)
    with pytest.raises(ConfigError, match="gone.json can't be read .No such file"):
        read_channel_report(folder / "gone.json", TASKS, 8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start_from": None}, "channels of a trained network; say which with 'start_from'"),
        ({"tasks": ["depth"]}, "two tasks or more that read the same channels"),
        ({"sharing": "soft"}, "two tasks or more that read the same channels"),
        ({"channel_control": {"report": "x", "mode": "cut"}}, "mask"),
    ],
)
def test_a_configuration_that_can_not_be_controlled_is_told(folder: Path, changes: dict[str, object], words: str) -> None:
    values = {"tasks": TASKS, "start_from": start(folder), "channel_control": {"report": "x", "mode": "mask"}} | changes
    with pytest.raises(ValueError, match=words):
        tiny_config(folder / "train", folder / "wrong", **values)
