# SPDX-License-Identifier: Apache-2.0
"""New classes in a branch of their own, beside a network that answers as before, to the bit."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from branches import LITE, NEW, OLD, ROOMS, TWO_ENCODERS, card_of, grafted, write_start, write_tuned
from rich.console import Console
from runs import small_config, spoken
from shapes import write_shapes
from torch import Tensor
from typer.testing import CliRunner

from mtl_perception.cli.app import app
from mtl_perception.inference import Engine
from mtl_perception.inference.export.run import RAW_TOLERANCE, ExportReport, ExportSettings, export
from mtl_perception.model.checkpoint import CheckpointError, ModelCard, build_network, load_checkpoint, read_card, save_checkpoint
from mtl_perception.model.network import Architecture, Branch
from mtl_perception.tasks.detection.branched import NEVER
from mtl_perception.training import ConfigError
from mtl_perception.training.composing import compose
from mtl_perception.training.finetune_command import FinetuneOptions, configuration, finetune
from mtl_perception.training.grafting import graft
from mtl_perception.training.interpolation import interpolate

IMAGES = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def answers(path: Path) -> dict[str, dict[str, Tensor]]:
    with torch.no_grad():
        return load_checkpoint(path)[0](IMAGES)


def assert_old_answers_stay(before: dict[str, dict[str, Tensor]], after: dict[str, dict[str, Tensor]], new: int) -> None:
    for task, raw in before.items():
        for name, value in raw.items():
            found = after[task][name]
            if task == "detection":
                found = found[: len(value)] if name in ("points", "strides") else found[:, : value.shape[1]]
                found = found[..., : value.shape[-1]] if name == "class_logits" else found
            assert torch.equal(found, value), f"{task}.{name}"
    cells = before["detection"]["class_logits"].shape[1]
    assert (after["detection"]["class_logits"][:, :cells, -new:] == NEVER).all()
    assert (after["detection"]["class_logits"][:, cells:, :-new] == NEVER).all()


@pytest.mark.parametrize(("architecture", "stages"), [(LITE, 4), (LITE, 2), (TWO_ENCODERS, 2), (ROOMS, 4), (ROOMS, 3)])
def test_old_answers_stay_to_the_bit_and_new_ones_are_those_of_the_trained_copy(
    tmp_path: Path, architecture: Architecture, stages: int
) -> None:
    start, tuned, out = grafted(tmp_path, architecture, stages)
    before, own, after = (answers(path) for path in (start, tuned, out))
    assert_old_answers_stay(before, after, len(NEW))
    cells = before["detection"]["class_logits"].shape[1]
    torch.testing.assert_close(
        after["detection"]["class_logits"][:, cells:, -len(NEW) :], own["detection"]["class_logits"], rtol=1e-2, atol=1e-2
    )
    torch.testing.assert_close(after["detection"]["boxes_xyxy"][:, cells:], own["detection"]["boxes_xyxy"], rtol=1e-2, atol=0.5)

    card = read_card(out)
    assert card.architecture.branch == Branch(task="detection", labels=NEW, stages=stages)
    assert card.detection_labels == [*OLD["detection"]["labels"], *NEW]
    assert {name: task for name, task in card.tasks.items() if name != "detection"} == {
        name: task for name, task in read_card(start).tasks.items() if name != "detection"
    }


def test_a_branch_runs_for_its_task_alone_and_holds_nothing_that_makes_masks(tmp_path: Path) -> None:
    network, _ = load_checkpoint(grafted(tmp_path)[2])
    ran: list[str] = []
    for name, module in network.named_modules():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    with torch.no_grad():
        network(IMAGES, ["depth"])
    assert not any(name.startswith(("branch", "heads.detection")) for name in ran)
    assert {key.split(".")[2] for key in network.branch.state_dict() if key.startswith("neck.lateral")} == {"c3", "c4", "c5"}
    assert {key.split(".")[1] for key in network.branch.state_dict() if key.startswith("neck")} == {"lateral", "context"}


def test_weights_that_half_precision_would_change_are_stored_whole(tmp_path: Path) -> None:
    start, _, out = grafted(tmp_path)
    state = load_checkpoint(start)[0].state_dict()
    assert not torch.equal(state["encoder.stages.0.0.0.weight"], state["encoder.stages.0.0.0.weight"].half().float())
    whole = out.stat().st_size
    network, card = load_checkpoint(start)
    save_checkpoint(start, network, card)
    graft(start, tmp_path / "tuned.safetensors", out)
    assert out.stat().st_size < 0.6 * whole
    assert_old_answers_stay(answers(start), answers(out), len(NEW))


def test_an_engine_names_the_new_classes(tmp_path: Path) -> None:
    start, _, out = grafted(tmp_path)
    image = IMAGES[0].permute(1, 2, 0).contiguous().numpy()
    scenes = []
    for path in (start, out):
        engine = Engine.load(path, "cpu", "float32", "torch")
        engine.score_threshold = 0.0
        scenes.append(engine(image))
    before, after = scenes
    np.testing.assert_array_equal(after.depth.depth_m, before.depth.depth_m)
    np.testing.assert_array_equal(after.segmentation.mask, before.segmentation.mask)
    assert set(after.detections.class_ids) - set(before.detections.class_ids) <= {3, 4}
    assert {3, 4} & set(after.detections.class_ids)


@pytest.fixture(scope="module")
def branched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportReport]:
    """A network with a branch, and its ONNX file."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("branched")
    out = grafted(folder, stages=2)[2]
    return out, export(out, folder / "new.onnx", ExportSettings())


@pytest.mark.slow(10)
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_an_exported_branch_answers_like_its_checkpoint(branched: tuple[Path, ExportReport], backend: str) -> None:
    pytest.importorskip(backend)
    out, report = branched
    assert max(difference.relative for difference in report.differences if difference.is_raw) <= RAW_TOLERANCE
    image = IMAGES[0].permute(1, 2, 0).contiguous().numpy()
    found, expected = [], Engine.load(out, "cpu", "float32", "torch")
    for path in (report.path, *([out] if backend == "openvino" else [])):
        found.append(Engine.load(path, "cpu", "float32" if backend == "openvino" else "auto", backend)(image))
    for scene in found:
        np.testing.assert_allclose(scene.depth.depth_m, expected(image).depth.depth_m, rtol=1e-3)


@pytest.mark.slow(10)
def test_a_branch_in_eight_bits_finds_what_it_finds_in_float(tmp_path: Path, branched: tuple[Path, ExportReport]) -> None:
    """The scores that say never lie far outside those of the network: their layer can't share a scale with them."""
    out, in_float = branched
    write_shapes(tmp_path / "shapes", 6)
    rounded = export(out, tmp_path / "int8.onnx", ExportSettings(precision="int8", calibration=tmp_path / "shapes"))
    scenes = []
    for precision, report in {"float32": in_float, "int8": rounded}.items():
        engine = Engine.load(report.path, "cpu", backend="onnxruntime")
        assert engine.precision == precision
        engine.score_threshold = 0.0
        scenes.append(engine(IMAGES[0].permute(1, 2, 0).contiguous().numpy()).detections)
    old = len(OLD["detection"]["labels"])
    for labels in range(old), range(old, old + len(NEW)):
        best = [float(found.scores[np.isin(found.class_ids, list(labels))].max()) for found in scenes]
        assert best[0] > 0.001 and best[1] == pytest.approx(best[0], rel=0.3)
    assert len({frozenset(found.class_ids) for found in scenes}) == 1


def write_labelled(root: Path, images: int = 8, names: tuple[str, str] = ("crate", "tin"), task: str = "detection") -> Path:
    """Shapes labelled for boxes alone, under ``names``."""
    write_shapes(root, images)
    index, entries = (json.loads((root / file).read_text()) for file in ("dataset.json", "annotations.json"))
    index["detection_labels"] = list(names)
    entries["categories"] = [category | {"name": dict(zip(("box", "can"), names))[category["name"]]} for category in entries["categories"]]
    entries["images"] = [image | {"tasks": ["detection", task] if task != "detection" else [task]} for image in entries["images"]]
    (root / "dataset.json").write_text(json.dumps(index))
    (root / "annotations.json").write_text(json.dumps(entries))
    return root


def options(folder: Path, **changes: object) -> FinetuneOptions:
    values = {"steps": 2, "batch_size": 4, "workers": 0, "device": "cpu", "threads": 1, **changes}
    return FinetuneOptions(out=folder / "new.safetensors", **values)


def said(start: Path, data: Path, chosen: FinetuneOptions) -> str:
    text = io.StringIO()
    finetune(str(start), [data], chosen, Console(file=text, width=300))
    return text.getvalue()


@pytest.mark.slow(10)
def test_the_command_teaches_new_classes_and_changes_nothing_else(tmp_path: Path) -> None:
    start, data = write_start(tmp_path / "old.safetensors"), write_labelled(tmp_path / "shapes")
    words = [
        "finetune", str(start), str(data), "--out", str(tmp_path / "out/new.safetensors"), "--steps", "4", "--batch-size", "4", "--workers", "0",
        "--device", "cpu", "--threads", "1",
    ]  # fmt: skip
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    out = tmp_path / "out/new.safetensors"
    assert "they get a branch of their own" in done.output and f"wrote {out}" in done.output.replace("\n", "")
    assert_old_answers_stay(answers(start), answers(out), len(NEW))
    card = read_card(out)
    assert card.name == "new" and card.architecture.branch == Branch(task="detection", labels=NEW, stages=card.architecture.branch.stages)
    assert card.training["start_from"]["name"] == "old" and card.training["steps"] == 4
    own, _ = load_checkpoint(out)
    kept, trained = (own.heads["detection"].get_submodule(part).classify["p3"].weight for part in ("kept", "own"))
    assert not torch.equal(trained, kept.mean(0, keepdim=True).expand_as(trained)), "the rows of new classes have moved"

    for command in (["evaluate", str(out), str(data), "--report", str(tmp_path / "report")], ["predict", str(data / "images"), "--model", str(out), "--out", str(tmp_path / "seen")]):  # fmt: skip
        done = CliRunner().invoke(app, [*command, "--device", "cpu"])
        assert done.exit_code == 0, done.output


@pytest.mark.slow(10)
def test_a_run_that_was_cut_off_ends_with_the_branch_of_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import signal

    from mtl_perception.training import loop

    start, data = write_start(tmp_path / "old.safetensors"), write_labelled(tmp_path / "shapes")
    whole, cut = (options(tmp_path / name, steps=4) for name in ("whole", "cut"))
    said(start, data, whole)
    real, calls = loop.Step.__call__, []

    def interrupted(self: loop.Step, *arguments: object) -> None:
        calls.append(1)
        real(self, *arguments)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop.Step, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        said(start, data, cut)
    assert not cut.out.exists()
    assert "resuming after step 2" in said(start, data, cut)
    states = [load_checkpoint(chosen.out)[0].state_dict() for chosen in (whole, cut)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_new_boxes_alone_get_a_branch_unless_somebody_asks_for_something_else(tmp_path: Path) -> None:
    start, data = str(write_start(tmp_path / "old.safetensors")), write_labelled(tmp_path / "shapes", 2)
    known = write_labelled(tmp_path / "known", 2, ("cup", "tin"))
    masks = write_labelled(tmp_path / "masks", 2, task="segmentation")

    def kind(folder: Path, **changes: object) -> tuple[str, list[str]]:
        config, notes = configuration(start, [folder], options(tmp_path, **changes))
        return "whole" if config.finetuning is not None else "branch", notes

    assert kind(data)[0] == "branch"
    assert kind(data, branch=False)[0] == kind(known)[0] == kind(masks)[0] == "whole"
    assert kind(data, replay=[data])[0] == kind(data, freeze=["encoder"])[0] == kind(data, distillation=2.0)[0] == "whole"
    assert kind(known, classes=["tin"])[0] == "branch"
    for folder, unused in (known, "cup"), (masks, "labels of segmentation"):
        taken, notes = kind(folder, branch=True)
        assert taken == "branch" and f"left out, because a branch learns new classes of boxes alone: {unused}" in notes
    config, _ = configuration(start, [known], options(tmp_path, branch=True))
    assert config.labels == {"detection": ["tin"]} and config.tasks == {"detection": 2.0}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"freeze": ["encoder"]}, "--freeze would do nothing; leave it or --branch out"),
        ({"distillation": 2.0}, "--distillation would do nothing"),
        ({"classes": ["cup"]}, "--branch is for new classes of boxes, and the data have none that the model does not know"),
    ],
)
def test_a_branch_that_can_not_be_meant_is_named(tmp_path: Path, changes: dict, problem: str) -> None:
    start, data = write_start(tmp_path / "old.safetensors"), write_labelled(tmp_path / "shapes", 2, ("cup", "tin"))
    with pytest.raises(ConfigError, match=problem):
        configuration(str(start), [data], options(tmp_path, branch=True, **changes))


def test_a_model_without_boxes_or_with_several_encoders_has_no_branch(tmp_path: Path) -> None:
    data = write_labelled(tmp_path / "shapes", 2)
    soft = Architecture(encoder="mobilenet_v3_small", neck_channels=8, sharing={"method": "soft"})
    depth_only = write_start(tmp_path / "depth.safetensors", ROOMS, {"depth": OLD["depth"]})
    for start in (write_start(tmp_path / "soft.safetensors", soft), depth_only):
        config, _ = configuration(str(start), [data], options(tmp_path))
        assert config.finetuning is not None
        with pytest.raises(ConfigError, match="--branch needs a model that detects, with one encoder"):
            configuration(str(start), [data], options(tmp_path, branch=True))


def test_what_can_not_be_done_with_a_branch_is_told_in_a_sentence(tmp_path: Path) -> None:
    start, tuned, out = grafted(tmp_path)
    data = write_labelled(tmp_path / "boxes", 2)
    write_shapes(tmp_path / "shapes", 6)
    with pytest.raises(CheckpointError, match=r"has a branch for crate, tin, and such a network can't be trained further; start from"):
        configuration(str(out), [data], options(tmp_path))
    config = small_config(tmp_path, start_from=str(out))
    with pytest.raises(CheckpointError, match=r"has a branch for crate, tin, and such a network can't be trained further"):
        spoken(config)
    with pytest.raises(ConfigError, match="a branch is not trained as a part of its network"):
        small_config(tmp_path, architecture=read_card(out).architecture.model_dump())
    with pytest.raises(CheckpointError, match="has a branch already, for crate, tin; a network can have one"):
        graft(out, tuned, tmp_path / "twice.safetensors")
    with pytest.raises(CheckpointError, match="has a branch for crate, tin; beside it nothing was changed"):
        interpolate(start, out, 0.5, tmp_path / "half.safetensors")
    with pytest.raises(CheckpointError, match="no branch"):
        compose(out, tmp_path / "composed.safetensors")


def test_networks_that_do_not_fit_are_named(tmp_path: Path) -> None:
    start = write_start(tmp_path / "old.safetensors")
    out = tmp_path / "new.safetensors"
    other = write_tuned(tmp_path / "rooms.safetensors", write_start(tmp_path / "other.safetensors", ROOMS), 4)
    with pytest.raises(CheckpointError, match="was not trained from .*old.safetensors for one of its tasks alone"):
        graft(start, other, out)
    with pytest.raises(CheckpointError, match="was not trained from"):
        graft(start, start, out)
    with pytest.raises(CheckpointError, match="both know 'cup'"):
        graft(start, write_tuned(tmp_path / "cup.safetensors", start, 4, ["cup", "tin"]), out)
    with pytest.raises(CheckpointError, match="no stage of the encoder is the same .* frozen_stages of at least 1"):
        graft(start, write_tuned(tmp_path / "apart.safetensors", start, 0), out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("branch", "problem"),
    [
        ({"task": "detection", "labels": ["box"], "stages": 4}, "expected the last ones of it, and not all"),
        ({"task": "detection", "labels": ["cup", "box", "chair"], "stages": 4}, "and not all"),
        ({"task": "pose", "labels": ["box"], "stages": 4}, "of 'pose', expected the last ones"),
        ({"task": "detection", "labels": ["chair"], "stages": 5}, "stages"),
    ],
)
def test_a_card_whose_branch_can_not_be_is_refused(branch: dict, problem: str) -> None:
    card = card_of(OLD, LITE).model_dump()
    with pytest.raises(ValueError, match=problem):
        ModelCard.model_validate(card | {"architecture": card["architecture"] | {"branch": branch}})


def test_only_boxes_have_branches() -> None:
    card = card_of(OLD, LITE.model_copy(update={"branch": Branch(task="segmentation", labels=["chair"], stages=4)}))
    with pytest.raises(ValueError, match="segmentation can't have a branch"):
        build_network(card)
