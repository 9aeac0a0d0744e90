# SPDX-License-Identifier: Apache-2.0
"""New classes and tasks for a trained network, and the old ones kept."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from model import tiny_network
from rich.console import Console
from runs import small_config, spoken
from shapes import write_shapes

from mtl_perception.data.batch import collate
from mtl_perception.data.folder import DataError, ImageFolder
from mtl_perception.model.checkpoint import CheckpointError, ModelCard, TaskCard, load_checkpoint, save_checkpoint
from mtl_perception.model.network import Architecture, MultiTaskNetwork
from mtl_perception.training import ConfigError, train
from mtl_perception.training.distillation import Teacher
from mtl_perception.training.finetune_command import FinetuneOptions, configuration, finetune
from mtl_perception.training.finetuning import Finetuning, hold, part_rates
from mtl_perception.training.sources import open_sources

OLD = {
    "detection": {"labels": ["cup", "box", "chair"]},
    "segmentation": {"labels": ["wall", "floor", "chair"], "class_weights": [0.5, 1.5, 2.0]},
    "depth": {"max_m": 20.0},
    "classification": {"labels": ["kitchen", "hall"]},
    "lanes": {"labels": ["line", "drivable"]},
}
WITH_CLASSES = {"detection": "classify.p3", "segmentation": "classify", "classification": "layers.2", "lanes": "classify"}
IMAGES = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def card_of(tasks: dict[str, dict]) -> ModelCard:
    architecture = Architecture(encoder="mobilenet_v3_small", neck_channels=8)
    cards = {task: TaskCard(kind=task, settings=settings) for task, settings in tasks.items()}
    return ModelCard(name="old", architecture=architecture, input_width=64, input_height=64, tasks=cards)


def write_start(path: Path, tasks: dict[str, dict] = OLD) -> Path:
    card = card_of(tasks)
    save_checkpoint(path, tiny_network(card, seed=1), card, dtype=torch.float32)
    return path


def write_labelled(root: Path, images: int = 8, tasks: tuple[str, ...] = ("detection",), seed: int = 0) -> Path:
    """Shapes of classes that the start does not know, labelled for ``tasks`` alone."""
    write_shapes(root, images, seed)
    for file in ("dataset.json", "annotations.json"):
        index = json.loads((root / file).read_text())
        if file == "dataset.json":
            index["detection_labels"] = ["crate", "tin"]
        else:
            names = {"box": "crate", "can": "tin"}
            index["categories"] = [category | {"name": names[category["name"]]} for category in index["categories"]]
            index["images"] = [image | {"tasks": list(tasks)} for image in index["images"]]
            if "detection" not in tasks:
                index["annotations"] = []
        (root / file).write_text(json.dumps(index))
    return root


def options(folder: Path, **changes: object) -> FinetuneOptions:
    values = {"steps": 2, "batch_size": 4, "branch": False, "workers": 0, "device": "cpu", "threads": 1, "out": folder / "new.safetensors"}
    return FinetuneOptions(**{**values, **changes})


def finetuned(start: Path, data: list[Path], chosen: FinetuneOptions) -> tuple[MultiTaskNetwork, ModelCard, str]:
    text = io.StringIO()
    finetune(str(start), data, chosen, Console(file=text, width=300))
    return *load_checkpoint(chosen.out), text.getvalue()


@pytest.mark.slow
def test_new_classes_come_after_the_old_ones_and_every_task_stays(tmp_path: Path) -> None:
    start, data = write_start(tmp_path / "old.safetensors"), write_labelled(tmp_path / "shapes")
    network, card, said = finetuned(start, [data], options(tmp_path))
    assert card.detection_labels == ["cup", "box", "chair", "crate", "tin"]
    assert "new classes of detection: crate, tin; 3 are kept" in said
    assert {name: task.settings for name, task in card.tasks.items() if name != "detection"} == {
        name: card_of(OLD).tasks[name].settings for name in OLD if name != "detection"
    }
    assert list(network(IMAGES)) == list(OLD)
    assert card.training["start_from"]["name"] == "old" and card.training["finetuning"]["rates"] == {"neck": 0.3, "classes": 10.0}


@pytest.mark.parametrize("listed", [{}, {"detection": ["tin"]}, {"detection": ["tin", "cup", "box", "chair"]}])
def test_a_configuration_need_not_list_the_classes_that_are_kept(tmp_path: Path, listed: dict[str, list[str]]) -> None:
    start, data = write_start(tmp_path / "old.safetensors"), write_labelled(tmp_path / "shapes", 2)
    config, _ = configuration(str(start), [data], options(tmp_path))
    sources = open_sources(config.model_copy(update={"labels": listed, "validation": None}))
    new = {"detection": ["tin"] if listed else ["crate", "tin"], "segmentation": ["box", "can"]}
    assert sources.labels == {name: [*task["labels"], *new.get(name, [])] for name, task in OLD.items() if "labels" in task}


@pytest.mark.slow
@pytest.mark.parametrize("task", ["detection", "depth"])
def test_a_run_may_go_on_with_some_of_the_tasks_alone(tmp_path: Path, task: str) -> None:
    """Whatever settings the card has of the tasks that are left behind, and the data have nothing of."""
    start, data = write_start(tmp_path / "old.safetensors"), write_labelled(tmp_path / "shapes", tasks=(task,))
    description = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps(description | {"segmentation_labels": []}))
    config, _ = configuration(str(start), [data], options(tmp_path))
    train(config.model_copy(update={"tasks": {task: 1.0}, "labels": {}}), Console(quiet=True))
    _, card = load_checkpoint(tmp_path / "new.safetensors")
    assert list(card.tasks) == [task]
    assert card.tasks[task].settings == OLD[task] | ({"labels": ["cup", "box", "chair", "crate", "tin"]} if task == "detection" else {})


@pytest.mark.slow
def test_a_new_task_is_added_with_the_classes_of_its_data(tmp_path: Path) -> None:
    start = write_start(tmp_path / "old.safetensors", {"detection": OLD["detection"]})
    data = write_labelled(tmp_path / "shapes", tasks=("segmentation", "depth"))
    network, card, said = finetuned(start, [data], options(tmp_path))
    assert list(card.tasks) == ["detection", "segmentation", "depth"]
    assert card.detection_labels == ["cup", "box", "chair"]
    assert card.segmentation_labels == ["floor", "wall", "box", "can"]
    assert "segmentation is a new task: floor, wall, box, can" in said
    assert card.training["finetuning"]["rates"] == {"neck": 0.3}, "no known head has a new class"
    assert network(IMAGES)["segmentation"]["logits"].shape[1] == 4


@pytest.mark.slow
def test_under_a_frozen_trunk_tasks_without_new_labels_answer_bit_for_bit_as_before(tmp_path: Path) -> None:
    start, data = write_start(tmp_path / "old.safetensors"), write_labelled(tmp_path / "shapes")
    before, _ = load_checkpoint(start)
    network, _, said = finetuned(start, [data], options(tmp_path, freeze=["encoder", "neck"], learning_rate=0.01))
    assert "frozen: encoder, neck, the head of segmentation, the head of depth" in said
    stored = {name: value for name, value in before.state_dict().items() if not name.startswith("heads.detection")}
    for name, value in network.state_dict().items():
        if name in stored:
            # Checkpoints hold half precision.
            half = stored[name].half().float() if stored[name].is_floating_point() and not name.endswith("running_var") else stored[name]
            assert torch.equal(value, half), name
    assert not torch.equal(network.heads["detection"].regress["p3"].weight, before.heads["detection"].regress["p3"].weight)


def test_boxes_of_a_dense_pyramid_stay_bit_for_bit_while_masks_and_depth_learn() -> None:
    card = card_of({task: OLD[task] for task in ("detection", "segmentation", "depth")})
    architecture = Architecture(encoder="mobilenet_v3_small", neck="dense_fpn", neck_channels=8, heads="slim")
    network = tiny_network(card.model_copy(update={"architecture": architecture}), seed=9).train()
    said = hold(network, Finetuning(freeze=["encoder", "lateral", "detection"]), {"segmentation", "depth"})
    assert said == ["frozen: encoder, lateral, the head of detection"]

    before = network(IMAGES)
    loss = before["segmentation"]["logits"].square().mean() + sum(value.float().square().mean() for value in before["depth"].values())
    loss.backward()
    moved = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert {name.split(".")[1] for name in moved} == {"lateral", "top_down", "stem", "segmentation", "depth"}
    assert {name.split(".")[2] for name in moved if name.startswith("neck.lateral")} == {"c2"}
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.add_(0.1)
    after = network(IMAGES)
    for name, value in after["detection"].items():
        assert torch.equal(value, before["detection"][name]), name
    assert not torch.equal(after["segmentation"]["logits"], before["segmentation"]["logits"])


def test_the_lateral_part_goes_by_the_neck_unless_it_is_named() -> None:
    network = tiny_network(card_of(OLD), seed=9)
    of_lateral, of_c2 = network.neck.lateral["c3"][0].weight, network.neck.lateral["c2"][0].weight
    assert part_rates(network, Finetuning(rates={"neck": 0.3}))[of_lateral] == 0.3
    named = part_rates(network, Finetuning(rates={"neck": 0.3, "lateral": 0.1}))
    assert (named[of_lateral], named[of_c2]) == (0.1, 0.3)
    assert hold(network, Finetuning(freeze=["neck"]), set(OLD)) == ["frozen: neck"]


def test_rows_of_classes_have_a_rate_on_top_of_their_head() -> None:
    network = tiny_network(card_of(OLD), seed=9)
    rates = part_rates(network, Finetuning(rates={"classes": 10, "detection": 0.5}))
    head = network.heads["detection"]
    assert rates[head.classify["p3"].weight] == rates[head.classify["p3"].bias] == 5.0
    assert rates[head.regress["p3"].weight] == 0.5
    assert rates[network.heads["segmentation"].classify.weight] == 10.0
    Finetuning(rates={"classes": 10}).check(list(OLD))
    with pytest.raises(ValueError, match=r"part 'classes' is not known; expected some of: encoder, lead, neck, lateral, detection"):
        Finetuning(freeze=["classes"]).check(list(OLD))


def test_the_teacher_speaks_of_the_classes_that_it_knows_alone(tmp_path: Path) -> None:
    start = write_start(tmp_path / "old.safetensors")
    grown = {
        task: {**settings, **({"labels": [*settings["labels"], "crate"]} if "labels" in settings else {})} for task, settings in OLD.items()
    }
    del grown["segmentation"]["class_weights"]
    student = tiny_network(card_of(grown), seed=9)
    with torch.no_grad():
        for parameter in student.heads.parameters():
            parameter.add_(0.3 * torch.rand(parameter.shape, generator=torch.Generator().manual_seed(0)))
    # Of these pictures people have labelled crates, and nothing of what the teacher knows.
    labels = {task: settings["labels"] for task, settings in grown.items() if "labels" in settings}
    folder = ImageFolder(write_labelled(tmp_path / "shapes", 2)).with_labels(labels)
    batch = collate([folder[i] for i in range(2)], student.tasks)
    teacher = Teacher(start, student, [], dict.fromkeys(student.tasks, 1.0), torch.device("cpu"))

    terms = teacher.terms(student(batch.images), batch)
    assert all(
        float(terms[f"{task}/kept_{term}"].total.detach()) > 0
        for task, term in {"depth": "log_depth", **dict.fromkeys(WITH_CLASSES, "classes")}.items()
    )
    torch.stack([term.total for term in terms.values()]).sum().backward()
    for task, layer in WITH_CLASSES.items():
        gradient = student.heads[task].get_submodule(layer).bias.grad
        assert gradient[:-1].abs().max() > 0 and gradient[-1] == 0, task


def test_a_network_that_is_its_own_teacher_has_nothing_to_learn(tmp_path: Path) -> None:
    start = write_start(tmp_path / "old.safetensors")
    student, _ = load_checkpoint(start)
    folder = ImageFolder(write_labelled(tmp_path / "shapes", 2))
    batch = collate([folder[i] for i in range(2)], student.tasks)
    teacher = Teacher(start, student, [], dict.fromkeys(student.tasks, 1.0), torch.device("cpu"))
    assert teacher.tasks == list(OLD)
    terms = teacher.terms(student(batch.images), batch)
    assert {name.partition("/")[0] for name in terms} == set(OLD)
    for name, term in terms.items():
        assert float(term.total.detach().abs()) < 1e-2 * max(1.0, float(term.count)), name


def test_another_network_teaches_what_it_is_asked_about(tmp_path: Path) -> None:
    student, _ = load_checkpoint(write_start(tmp_path / "old.safetensors"))
    other = write_start(tmp_path / "other.safetensors", {"detection": {"labels": ["cup", "chair"]}, "depth": {"max_m": 20.0}})
    folder = ImageFolder(write_labelled(tmp_path / "shapes", 2))
    batch = collate([folder[i] for i in range(2)], student.tasks)
    settings = Finetuning(teacher=other, distillation={"detection": 2.0, "lanes": 1.0, "depth": 0.0})
    weights = settings.taught(student.tasks)
    terms = Teacher(other, student, [], weights, torch.device("cpu")).terms(student(batch.images), batch)
    assert {name: term.weight for name, term in terms.items()} == {"detection/kept_classes": 2.0, "detection/kept_boxes": 4.0}


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"detection": {"labels": ["cup", "mug"]}}, "knows the class 'mug' of detection, which is not trained here"),
        ({"depth": {"max_m": 5.0}}, "knows depth; expected a network that knows one of detection, segmentation, depth"),
        (None, "teacher: "),
    ],
)
def test_a_teacher_that_can_not_teach_is_named(tmp_path: Path, tasks: dict | None, message: str) -> None:
    student, _ = load_checkpoint(write_start(tmp_path / "old.safetensors"))
    path = tmp_path / "other.safetensors"
    if tasks is not None:
        write_start(path, tasks)
    with pytest.raises(CheckpointError, match=message):
        Teacher(path, student, [], dict.fromkeys(student.tasks, 1.0), torch.device("cpu"))


def test_distillation_of_a_task_that_is_not_trained_is_named() -> None:
    with pytest.raises(ValueError, match=r"distillation names 'detecton'.*did you mean 'detection'"):
        Finetuning(distillation={"detecton": 1.0}).check(["detection", "depth"])


def test_a_frozen_head_on_a_frozen_trunk_is_not_taught(tmp_path: Path) -> None:
    start = write_start(tmp_path / "old.safetensors")
    student, _ = load_checkpoint(start)
    hold(student.train(), Finetuning(freeze=["encoder", "neck", "lanes"]), {"detection", "lanes"})
    assert Teacher(start, student, [], dict.fromkeys(student.tasks, 1.0), torch.device("cpu")).tasks == ["detection"]
    assert not student.heads["lanes"].training and not any(p.requires_grad for p in student.encoder.parameters())


def test_over_a_frozen_trunk_the_teacher_takes_the_features_that_are_there(tmp_path: Path) -> None:
    start = write_start(tmp_path / "old.safetensors")
    folder = ImageFolder(write_labelled(tmp_path / "shapes", 2))
    for freeze, shares in (["encoder", "neck"], True), (["encoder"], False):
        student, _ = load_checkpoint(start)
        hold(student.train(), Finetuning(freeze=freeze), {"detection", "depth"})
        batch = collate([folder[i] for i in range(2)], student.tasks)
        teacher = Teacher(start, student, [], {"detection": 1.0, "depth": 1.0}, torch.device("cpu"))
        with torch.no_grad():
            for parameter in student.heads["depth"].parameters():
                parameter.add_(0.1)
        pyramids = student.pyramids(batch.images, teacher.tasks)
        raw = {task: student.heads[task](features) for task, features in pyramids.items()}
        shared, apart = teacher.terms(raw, batch, pyramids), teacher.terms(raw, batch)
        assert shared.keys() == apart.keys() and float(shared["depth/kept_log_depth"].total.detach()) > 0
        assert all(torch.equal(shared[name].total, apart[name].total) for name in shared)
        # Other features than those of the picture are noticed by who uses them, and by nobody else.
        nothing = {task: {level: torch.zeros_like(value) for level, value in of.items()} for task, of in pyramids.items()}
        assert torch.equal(teacher.terms(raw, batch, nothing)["depth/kept_log_depth"].total, apart["depth/kept_log_depth"].total) != shares


@pytest.mark.slow
def test_frozen_tasks_cost_nothing(tmp_path: Path) -> None:
    start = write_start(tmp_path / "old.safetensors")
    data = write_labelled(tmp_path / "shapes", tasks=("detection", "segmentation", "depth"))
    _, _, said = finetuned(start, [data], options(tmp_path, freeze=["encoder", "neck", "segmentation", "depth"], steps=10))
    line = next(line for line in said.splitlines() if "step 10 " in line)
    assert "det/quality" in line and "seg/" not in line and "dep/" not in line, line


def test_labels_silence_the_teacher_but_not_in_replayed_pictures(tmp_path: Path) -> None:
    start = write_start(tmp_path / "old.safetensors")
    student, _ = load_checkpoint(start)
    other = tiny_network(card_of(OLD), seed=9)
    root = write_shapes(tmp_path / "shapes", 2)
    folder = ImageFolder(root).with_labels({"segmentation": ["wall", "floor", "chair"], "detection": ["cup", "box", "chair"]})
    batch = collate([folder[i] for i in range(2)], student.tasks)
    counts = {}
    for replay in ([], [root]):
        terms = Teacher(start, student, replay, dict.fromkeys(student.tasks, 1.0), torch.device("cpu")).terms(other(batch.images), batch)
        counts[bool(replay)] = float(terms["depth/kept_log_depth"].count)
    assert counts == {False: 0.0, True: 2 * 24 * 32}


@pytest.mark.slow
def test_a_replayed_drive_is_trained_on_beside_the_new_pictures(tmp_path: Path) -> None:
    start, data = write_start(tmp_path / "old.safetensors"), write_labelled(tmp_path / "shapes")
    replay = write_labelled(tmp_path / "replay", 6, tasks=("depth",), seed=5)
    _, card, said = finetuned(start, [data], options(tmp_path, replay=[replay]))
    assert f"50.0 % come from {replay}" in said
    assert card.training["finetuning"]["replay"] == [str(replay)]


@pytest.mark.slow
def test_a_run_that_gets_no_better_ends_and_is_finished(tmp_path: Path) -> None:
    start = write_start(tmp_path / "old.safetensors", {"segmentation": {"labels": ["floor", "wall", "box", "can"]}})
    data = write_labelled(tmp_path / "shapes", 12, tasks=("segmentation",))
    # Nothing is learned at this rate, so no validation after the first is better.
    chosen = options(tmp_path, steps=8, patience=2, learning_rate=1e-12)
    _, card, said = finetuned(start, [data], chosen)
    assert "no better for 2 validations: the run ends here" in said
    assert "step 6: validation" in said and "step 8: validation" not in said
    assert card.training["validation"]["step"] == 2
    assert "validation score" in finetuned(start, [data], chosen)[2].splitlines()[-1]  # and does not begin again


@pytest.mark.slow
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mtl_perception.training import loop

    start, data = write_start(tmp_path / "old.safetensors"), write_labelled(tmp_path / "shapes")
    whole, cut = (options(tmp_path / name, steps=4, patience=None) for name in ("whole", "cut"))
    finetuned(start, [data], whole)
    real, calls = loop.Step.__call__, []

    def interrupted(self: loop.Step, *arguments: object) -> None:
        calls.append(1)
        real(self, *arguments)
        if len(calls) == 2:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop.Step, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finetuned(start, [data], cut)
    assert "resuming after step 2" in finetuned(start, [data], cut)[2]
    states = [torch.load(chosen.out.with_suffix("") / "state.pt", weights_only=True)["network"] for chosen in (whole, cut)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_pictures_of_one_room_are_not_split(tmp_path: Path) -> None:
    data = write_labelled(tmp_path / "shapes")
    index = json.loads((data / "annotations.json").read_text())
    index["images"] = [image | {"group": "kitchen"} for image in index["images"]]
    (data / "annotations.json").write_text(json.dumps(index))
    config, notes = configuration(str(write_start(tmp_path / "old.safetensors")), [data], options(tmp_path))
    assert config.validation is None and "one group" in notes[-1]


def test_a_task_of_labels_that_are_made_is_learned_by_who_names_it(tmp_path: Path) -> None:
    """Any folder with depth could teach normals, and any with masks instances: nobody asked."""
    start, data = write_start(tmp_path / "old.safetensors"), write_labelled(tmp_path / "shapes")
    config, _ = configuration(str(start), [data], options(tmp_path))
    assert not {"instances", "normals"} & set(config.tasks)
    config, notes = configuration(str(start), [data], options(tmp_path, tasks=["instances"]))
    assert "instances" in config.tasks and "normals" not in config.tasks
    assert "instances is a new task" in notes


def test_a_class_in_another_spelling_is_pointed_out(tmp_path: Path) -> None:
    start = write_start(tmp_path / "old.safetensors", {"detection": {"labels": ["Crate", "cup"]}})
    _, notes = configuration(str(start), [write_labelled(tmp_path / "shapes")], options(tmp_path))
    assert notes[1].startswith("class 'crate' is new, though the model knows 'Crate'")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"freeze": ["encodr"]}, "part 'encodr' is not known.*encoder"),
        ({"freeze": ["encoder", "neck", *OLD]}, "every part of the network is frozen"),
        ({"classes": ["lamp"]}, "'lamp' is no class of the data; they have: crate, tin"),
        ({"tasks": ["depth", "pose"]}, "no picture is labelled for 'pose'"),
        ({"out": Path("models")}, "--out is models, expected .* ends with .safetensors"),
        ({"out": Path("models"), "branch": True}, "--out is models, expected .* ends with .safetensors"),
        ({"out": Path("new.onnx"), "branch": True}, "--out is new.onnx, expected .* ends with .safetensors"),
    ],
)
def test_a_wrong_option_is_named_before_training(tmp_path: Path, changes: dict, problem: str) -> None:
    start, data = write_start(tmp_path / "old.safetensors"), write_labelled(tmp_path / "shapes")
    with pytest.raises(ValueError, match=problem):
        configuration(str(start), [data], options(tmp_path, **changes))


def test_data_and_models_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    start = write_start(tmp_path / "old.safetensors")
    with pytest.raises(DataError, match="dataset.json"):
        configuration(str(start), [tmp_path], options(tmp_path))
    with pytest.raises(DataError, match="tasks is empty: it has no label"):
        configuration(str(start), [write_labelled(tmp_path / "shapes", tasks=())], options(tmp_path))
    with pytest.raises(CheckpointError, match="no model 'light'.*lite"):
        configuration("light", [tmp_path], options(tmp_path))


@pytest.mark.slow
def test_another_encoder_is_an_error_that_says_what_fits(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    config = small_config(tmp_path, start_from="lite_rooms", finetuning={})
    with pytest.raises(
        CheckpointError, match=r"encoder is mobilenet_v3_large, this run's yolox_nano.*start from lite, or set architecture"
    ):
        spoken(config)


def test_what_is_replayed_is_trained_on(tmp_path: Path) -> None:
    """Else a folder in another spelling would be taken for new data, and its labels would silence the teacher."""
    config = small_config(tmp_path, start_from="lite_rooms", finetuning={"replay": [str(tmp_path / "." / "shapes")]})
    assert config.finetuning.replay == config.data
    with pytest.raises(ConfigError, match="finetuning: replay names shapes, which is not among 'data': .*shapes"):
        small_config(tmp_path, start_from="lite_rooms", finetuning={"replay": ["shapes"]})


def test_finetuning_needs_a_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="start_from"):
        small_config(tmp_path, finetuning={})
