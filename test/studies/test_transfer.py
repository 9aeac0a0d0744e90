# SPDX-License-Identifier: Apache-2.0
"""A transfer report from training to its page, on tiny networks and pictures."""

from __future__ import annotations

import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from rich.console import Console
from shapes import write_shapes

from mtl_perception.model.necks import NECKS
from mtl_perception.reporting.charts import bar_chart, heat_map, line_chart
from mtl_perception.studies.intervals import paired_gains
from mtl_perception.studies.plan import PlannedRun, plan, plan_trials, read_transfer_config, remarks
from mtl_perception.studies.runs import RunResult, TransferError, finished
from mtl_perception.studies.sweep import choose_rates
from mtl_perception.studies.transfer import report_transfer
from mtl_perception.studies.transfer_page import html, markdown
from mtl_perception.studies.transfer_table import Transfer, crossing, tabulate
from mtl_perception.training import ConfigError, read_config

QUIET = Console(quiet=True)
PATIENCE_S = 300
CLUSTERED = {"method": "clustered", "groups": [["depth"]]}


def write(folder: Path, **changes: object) -> Path:
    base = {
        "variant": "lite",
        "architecture": {"neck_channels": 8},
        "data": str(folder / "train"),
        "steps": 2,
        "stages": [{"until": 1.0, "width": 64, "height": 64, "batch_size": 2}],
        "warmup_steps": 0,
        "workers": 0,
        "device": "cpu",
        "tensorboard": False,
    }
    values = {
        "output": str(folder / "out"),
        "tasks": ["segmentation", "depth"],
        "test": str(folder / "test"),
        "base": base,
        "setups": {"fixed": None, "a pyramid": {"architecture": {"neck_channels": 8, "neck": "fpn"}}},
        **changes,
    }
    path = folder / "transfer.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transfer")
    write_shapes(folder / "train", 8)
    write_shapes(folder / "test", 2, seed=5)
    return folder


@pytest.mark.slow
def test_from_training_to_the_page_and_what_is_done_is_not_done_again(folder: Path) -> None:
    config = write(folder, setups={"both": None, "too fast": {"learning_rate": 1e30, "steps": 6}}, once=["too fast"])
    transfer = report_transfer(config, 2, QUIET, jobs=2)
    out = folder / "out"
    assert [row.column.name for row in transfer.rows] == ["single-task", "both"]
    assert len(transfer.failed) == 1
    assert transfer.failed[0].startswith("too fast, seed 0")
    results = {path.stem: RunResult.model_validate_json(path.read_text()) for path in (out / "runs").glob("*.json")}
    names = {f"{name}-100-{seed}" for name in ("single-segmentation", "single-depth", "both") for seed in (0, 1)}
    assert set(results) == names | {"too-fast-100-0"}
    both = results["both-100-0"]
    assert both.evaluation.model.tasks == ["segmentation", "depth"]
    assert both.minutes > 0
    assert both.memory_mb > 0
    assert both.latency_p50_ms > 0

    # Δm by hand: of the means of both sides
    def mean(name: str, task: str, measure: str) -> float:
        return sum(results[f"{name}-100-{seed}"].evaluation.sets["test"].scores[task][measure] for seed in (0, 1)) / 2

    gain_m_iou = mean("both", "segmentation", "mIoU") / mean("single-segmentation", "segmentation", "mIoU") - 1
    gain_rmse = 1 - mean("both", "depth", "RMSE") / mean("single-depth", "depth", "RMSE")
    delta_m = transfer.rows[1].delta_m
    assert delta_m.mean == pytest.approx((gain_m_iou + gain_rmse) / 2)
    assert delta_m.low <= delta_m.mean <= delta_m.high
    alone = ("segmentation", "depth")
    assert transfer.rows[0].column.parameters == sum(results[f"single-{t}-100-0"].evaluation.model.parameters for t in alone)
    assert "too fast" in (out / "index.html").read_text()

    # A second call trains nothing; runs whose results are gone are done again, here in processes of their own. Asked not to
    # train, it reports what is there.
    stamps = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*.json")}
    report_transfer(config, 2, QUIET)
    document = folder / "docs" / "transfer.md"
    assert report_transfer(config, 3, QUIET, document.parent, training=False) == transfer
    assert re.search("2 seeds, no claim|no difference shown", document.read_text())
    shown = [document.parent / name for name in re.findall(r"\]\((.*?)\)", document.read_text())]
    assert [ElementTree.parse(path).getroot().tag for path in shown] == ["{http://www.w3.org/2000/svg}svg"]
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    gone = {out / "runs" / f"{name}-100-0.json" for name in ("both", "too-fast")}
    for path in gone:
        path.unlink()
    report_transfer(config, 2, QUIET, jobs=2)
    again = RunResult.model_validate_json((out / "runs" / "both-100-0.json").read_text())
    assert again.evaluation.sets["test"].scores == both.evaluation.sets["test"].scores
    assert {path for path in stamps if path.stat().st_mtime_ns != stamps[path]} == gone
    assert "mIoU" in (out / "runs" / "both-100-0.log").read_text()
    assert "too fast" not in (out / "runs" / "both-100-0.log").read_text()

    changed = yaml.safe_load(config.read_text())
    changed["base"]["learning_rate"] = 0.01
    config.write_text(yaml.safe_dump(changed, sort_keys=False))
    with pytest.raises(TransferError, match="comes of another configuration .learning_rate changed.; choose another 'output'"):
        report_transfer(config, 2, QUIET)


@pytest.mark.slow
def test_who_ends_the_command_ends_the_networks_in_training_too(folder: Path) -> None:
    base = {**yaml.safe_load(write(folder).read_text())["base"], "steps": 100_000}
    config = write(folder, output=str(folder / "ended"), base=base)
    states = [folder / "ended" / "runs" / f"single-{task}-100-0" / "state.pt" for task in ("segmentation", "depth")]
    command = [sys.executable, "-m", "mtl_perception.cli", "report", "transfer", str(config), "--seeds", "2", "--jobs", "2"]
    # A session of its own: what is left of it can be seen.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        wait_until(lambda: all(state.exists() for state in states))
        process.terminate()  # this one alone, as systemd's main process or "kill PID" would be
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130, said
        assert "the same command resumes from there" in said
        logs = [state.parent.with_suffix(".log").read_text() for state in states]
        assert all("the same command resumes from there" in text for text in logs), logs
        wait_until(lambda: not alive(process.pid))
    finally:
        if alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def alive(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def result(setup: str, seed: int, scores: dict[str, dict[str, float]], share: float = 1.0) -> RunResult:
    """What a run with these scores would have left."""
    model = {
        "name": setup,
        "version": "0",
        "tasks": list(scores),
        "encoder": "mobilenet_v3_large",
        "input_width": 192,
        "input_height": 160,
        "parameters": 3_000_000,
        "gmac": 0.5,
        "gmac_640x480": 4.0,
        "size_bytes": 7_000_000,
        "training": {"data": "rooms", "images": 4000, "device": "cpu, 1 threads"},
    }
    content = {"setup": setup, "share": share, "seed": seed, "training": {}, "minutes": 10.0 + seed, "memory_mb": 900.0 + seed}
    sets = {"test": {"data": "rooms_test", "frames": 400, "scores": scores}}
    evaluation = {"mtl_perception": "0", "command": "", "model": model, "device": "cpu", "precision": "float32", "sets": sets}
    return RunResult.model_validate({**content, "evaluation": evaluation, "latency_p50_ms": 20.0 + seed})


def segmentation(m_iou: float) -> dict[str, dict[str, float]]:
    return {"segmentation": {"mIoU": m_iou, "pixel_accuracy": 0.9}}


def depth(rmse: float) -> dict[str, dict[str, float]]:
    return {"depth": {"RMSE": rmse, "AbsRel": rmse / 5, "delta1": 0.9}}


def invented(folder: Path) -> Transfer:
    config = read_transfer_config(write(folder, setups={"good": {}, "bad": {}}, shares=[0.25, 0.5, 1.0]))
    runs = []
    for seed, noise in enumerate((-0.01, 0.01)):
        for share, loss in ((0.25, 0.3), (0.5, 0.1), (1.0, 0.0)):
            runs.append(result("single segmentation", seed, segmentation(0.5 - loss + noise), share))
            runs.append(result("single depth", seed, depth(0.8 + loss + noise), share))
            runs.append(result("good", seed, segmentation(0.6 - loss + noise) | depth(0.72 + loss + noise), share))
        runs.append(result("bad", seed, segmentation(0.4 + noise) | depth(0.88 + noise)))
    return tabulate(config, runs)


def test_tables_hold_means_spreads_gains_and_costs(tmp_path: Path) -> None:
    transfer = invented(tmp_path)
    head, alone, good, bad = transfer.table()
    assert head[:6] == ["", "seeds", "mIoU ↑", "RMSE ↓", "AbsRel ↓", "delta1 ↑"]
    assert head[6:] == ["Δm ↑", "shown", "parameters", "GMAC", "memory", "training", "latency"]
    assert alone[:4] == ["single-task", "2", "0.500 ± 0.014", "0.800 ± 0.014"]
    assert alone[8:] == ["6.00 M", "8.00", "901 MB", "21.0 min", "41.0 ms"]
    assert good[:4] == ["good", "2", "0.600 ± 0.014", "0.720 ± 0.014"]
    assert good[6].startswith("+15.0 % [+")  # +20 % and +10 %
    assert good[7:] == ["2 seeds, no claim", "3.00 M", "4.00", "901 MB", "10.5 min", "20.5 ms"]
    assert bad[6].startswith("−15.0 % [−")
    # (.59/.49, .61/.51) and (.71/.79, .73/.81): with two seeds the ends are those of the seeds themselves
    assert transfer.gain_table()[1][:3] == ["good", "+20.0 % [+19.6, +20.4]", "+10.0 % [+9.9, +10.1]"]


def test_less_data_is_read_off_where_the_curve_meets_the_single_task_score(tmp_path: Path) -> None:
    transfer = invented(tmp_path)
    assert [share for share, _ in transfer.curves["segmentation"]["good"]] == [0.25, 0.5, 1.0]
    # 0.5 at half of the data; a depth error of 0.8 between 0.82 at half and 0.72 at all
    assert transfer.reached["segmentation"]["good"] == pytest.approx(0.5)
    assert transfer.reached["depth"]["good"] == pytest.approx(0.6)
    assert transfer.reached["segmentation"]["single-task"] == 1.0
    assert list(transfer.curves["depth"]) == ["single-task", "good"]


def test_page_and_markdown_say_it_in_words_too(tmp_path: Path) -> None:
    transfer = invented(tmp_path)
    page, words = html(transfer), markdown(transfer)
    for sentence in (
        "Nothing is shown either way.",
        "2 seeds, no claim: good (Δm +15.0 % [+14.7, +15.3]), bad (Δm −15.0 % [",
        "good takes 50 % of the multiply-adds and 50 % of the parameters.",
        "good does what the single-task network does with all the data in RMSE with 60 % of it.",
    ):
        assert sentence in page
        assert sentence in words
    assert page.count("<svg") == 3
    assert "| good | 2 | 0.600 ± 0.014 |" in words
    assert json.loads(json.dumps(transfer.plain()))["delta_m"]["good"] == pytest.approx(0.15)


def test_there_is_no_table_before_there_is_something_to_compare(tmp_path: Path) -> None:
    config = read_transfer_config(write(tmp_path, setups={"good": {}}))
    runs = [result("single segmentation", 0, segmentation(0.5)), result("good", 0, segmentation(0.6) | depth(0.7))]
    assert tabulate(config, runs) is None
    assert tabulate(config, [*runs, result("single depth", 0, depth(0.8))]) is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tasks": ["depth"]}, "tasks.*at least 2"),
        ({"tasks": ["depth", "pose"]}, "setup 'single pose': .*task 'pose' is not known"),
        ({"setups": {}}, "setups"),
        ({"setups": {"x": {"seed": 3}}}, "setups.x has 'seed', which the report sets for each run"),
        ({"setups": {"x": {"balancing": "mgada"}}}, "setup 'x': .*'mgada' is not known; expected one of: fixed"),
        ({"setups": {"x": {"architecture": {"neck": "pen"}}}}, "setup 'x': .*pen"),
        ({"setups": {"x": {"architecture": {"sharing": CLUSTERED}}}}, "setup 'x': .*leave out task"),
        ({"setups": {"x": {"architecture": {"sharing": "soft"}, "balancing": "gradnorm"}}}, "setup 'x': .*these tasks share none"),
        ({"setups": {"x": {}, "X ": {}}}, "must differ in their letters"),
        ({"shares": [0.5, 0.5]}, "shares are"),
        ({"rates": [0.01]}, "rates are .0.01., expected at least two"),
        ({"rates": [0.01, 0.001]}, "rates are chosen on validation images, never on the test set; give 'validation'"),
        ({"lengths": [2]}, "lengths are .2., expected different numbers of steps beside the 'steps'"),
        ({"lengths": [4, 4]}, "lengths are .4, 4."),
        ({"efficiency": ["y"]}, "efficiency names 'y', expected some of: fixed, a pyramid"),
        ({"once": ["y"]}, "once names 'y', expected some of: fixed, a pyramid"),
        ({"factors": {"pose": 2.0}}, "factors name task 'pose'"),
        ({"setups": {"x": {"factors": {"pose": 2.0}}}}, "setups.x: factors name task 'pose'"),
        ({"setups": {"x": {"factors": {"depth": -1.0}}}}, "setup 'x': .*task 'depth' has weight -1.0"),
        ({"test": "nowhere"}, "test: nowhere does not exist"),
        ({"test": []}, "test: .*at least 1"),
        ({"alone": {"pose": {}}}, "alone names task 'pose', expected some of: segmentation, depth"),
        ({"alone": {"depth": {"seed": 3}}}, "alone.depth has 'seed', which the report sets for each run"),
        ({"alone": {"depth": {"step": 3}}}, "setup 'single depth': .*step"),
    ],
)
def test_a_wrong_configuration_is_told_before_anything_trains(folder: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises((ConfigError, TransferError), match=words):
        report_transfer(write(folder, **{"output": str(folder / "wrong"), **changes}), 2, QUIET)
    assert not list((folder / "wrong").rglob("*.safetensors"))


def labelled_for(task: str, folder: Path, images: int, seed: int) -> Path:
    """Pictures that are labelled for one of their tasks alone, as those of several sources are."""
    write_shapes(folder, images, seed=seed)
    index = folder / "annotations.json"
    content = json.loads(index.read_text())
    for entry in content["images"]:
        entry["tasks"] = [task]
    index.write_text(json.dumps(content))
    return folder


@pytest.mark.slow
def test_each_task_may_have_pictures_of_its_own(folder: Path, tmp_path: Path) -> None:
    """A network alone trains on what is labelled for its task, together on everything, and each is scored on every set."""
    data = [labelled_for("segmentation", tmp_path / "masks", 4, 11), labelled_for("depth", tmp_path / "depths", 6, 12)]
    tests = [labelled_for("segmentation", tmp_path / "test_masks", 2, 13), labelled_for("depth", tmp_path / "test_depths", 3, 14)]
    held_out = [labelled_for("segmentation", tmp_path / "val_masks", 2, 15), labelled_for("depth", tmp_path / "val_depths", 2, 16)]
    validation = {"data": [str(one) for one in held_out], "every_steps": 2}
    base = yaml.safe_load(write(folder).read_text())["base"] | {"data": [str(one) for one in data], "validation": validation}
    alone = {"segmentation": {"data": str(data[0])}, "depth": {"data": str(data[1])}}
    config = write(tmp_path, base=base, alone=alone, setups={"both": None}, test=[str(one) for one in tests])
    transfer = report_transfer(config, 2, QUIET)
    assert transfer.facts["test"] == "5 images of test_masks, test_depths"
    results = {path.stem: RunResult.model_validate_json(path.read_text()) for path in (tmp_path / "out" / "runs").glob("*.json")}
    trained = {name: result.evaluation.model.training["images"] for name, result in results.items()}
    assert trained == {
        f"{name}-100-{seed}": n for name, n in (("single-segmentation", 4), ("single-depth", 6), ("both", 10)) for seed in (0, 1)
    }
    for name, tasks in (("single-depth", ["depth"]), ("both", ["segmentation", "depth"])):
        scores = results[f"{name}-100-0"].evaluation.sets["test"].scores
        assert [task for task in tasks if scores[task]] == tasks
    assert sorted(results["both-100-0"].history[0][1]) == ["depth", "segmentation"]
    assert list(results["single-depth-100-0"].history[0][1]) == ["depth"]
    with pytest.raises(TransferError, match="2 of 2 images of .*test_masks are also in .*test_masks, which networks are trained on"):
        leaking = {**alone, "segmentation": {"data": str(tests[0])}}
        report_transfer(write(tmp_path, base=base, alone=leaking, test=[str(one) for one in reversed(tests)]), 2, QUIET)


def test_networks_are_not_scored_on_what_they_are_trained_on(folder: Path, tmp_path: Path) -> None:
    """Whatever the images are called: the training folder itself, a link to it, a copy of some of it under other names."""
    write_shapes(tmp_path / "copied", 3, seed=8)
    (tmp_path / "link").symlink_to(folder / "train")
    renamed = tmp_path / "copied" / "images" / "0002.jpg"
    renamed.write_bytes((folder / "train" / "images" / "0005.jpg").read_bytes())
    (tmp_path / "test").symlink_to(folder / "test")
    validated = {**yaml.safe_load(write(folder).read_text())["base"], "validation": {"data": str(tmp_path / "test"), "every_steps": 2}}
    for changes, words in (
        ({"test": str(folder / "train")}, "8 of 8 images of .*train are also in .*train, which networks are trained on"),
        ({"test": str(tmp_path / "link")}, "8 of 8 images of .*link are also in .*train"),
        ({"test": str(tmp_path / "copied")}, "1 of 3 images of .*copied/images/0002.jpg is .*train/images/0005.jpg"),
        ({"setups": {"x": {"data": str(tmp_path / "copied")}}, "test": str(tmp_path / "copied")}, "3 of 3|1 of 3"),
        ({"base": validated}, "2 of 2 images of .* or chosen by"),
    ):
        with pytest.raises(TransferError, match=words):
            report_transfer(write(folder, output=str(tmp_path / "out"), **changes), 2, QUIET)
    assert not (tmp_path / "out").exists()


def test_one_seed_is_refused(folder: Path) -> None:
    with pytest.raises(TransferError, match="1 seed says nothing of how far networks scatter; give at least 2, and 5 for a claim"):
        report_transfer(write(folder, output=str(folder / "one")), 1, QUIET)
    assert not (folder / "one").exists()


def swept(folder: Path, validated: Path, **changes: object) -> Path:
    base = yaml.safe_load(write(folder).read_text())["base"]
    base |= {"validation": {"data": str(validated), "every_steps": 2}, "steps": 4}
    return write(folder, output=str(folder / "swept"), setups={"both": None}, base=base, rates=[0.003, 1e-9], **changes)


@pytest.mark.slow
def test_rates_are_chosen_on_validation_and_trials_never_see_the_test_set(folder: Path, tmp_path: Path) -> None:
    write_shapes(tmp_path / "validated", 2, seed=9)
    config = swept(folder, tmp_path / "validated")
    with pytest.raises(TransferError, match="6 of 6 trials of learning rates are not done"):
        report_transfer(config, 2, QUIET, training=False)
    transfer = report_transfer(config, 2, QUIET, jobs=2)
    runs = folder / "swept" / "runs"
    results = [RunResult.model_validate_json(path.read_text()) for path in runs.glob("*.json")]
    trials = [one for one in results if one.is_trial]
    assert len(trials) == 6 and len(results) == 12
    assert all(trial.evaluation is None and trial.validation is not None for trial in trials)
    for name in ("single segmentation", "single depth", "both"):
        scores = {trial.training["learning_rate"]: trial.validation for trial in trials if trial.setup == name}
        used = {one.training["learning_rate"] for one in results if one.setup == name and not one.is_trial}
        assert used == {max(sorted(scores), key=scores.get)}
    assert "both" in transfer.facts["learning rates, chosen on validation"]
    assert [step for step, _ in transfer.learning["depth"]["both"]] == [2, 4]
    assert "Learning curves" in (folder / "swept" / "index.html").read_text()


def test_rates_are_not_chosen_by_images_that_are_trained_on(folder: Path) -> None:
    with pytest.raises(TransferError, match="validation: 8 images of .*train, by which learning rates are chosen, are also in .*train"):
        report_transfer(swept(folder, folder / "train"), 2, QUIET)
    with pytest.raises(TransferError, match="test: 2 of 2 images of .*test are also in .*test, which networks are trained on or chosen by"):
        report_transfer(swept(folder, folder / "test"), 2, QUIET)


def test_the_higher_validation_score_wins_and_a_tie_goes_to_the_lower_rate(tmp_path: Path) -> None:
    config = read_transfer_config(swept(tmp_path, tmp_path / "validated"))

    def trial(setup: str, rate: float, score: float | None) -> RunResult:
        return RunResult(setup=setup, share=1.0, seed=0, training={"learning_rate": rate}, is_trial=True, validation=score)

    trials = [trial("single segmentation", 0.1, 0.5), trial("single segmentation", 0.01, 0.4), trial("single depth", 0.1, 0.3)]
    trials += [trial("single depth", 0.01, 0.3), trial("both", 0.1, None), trial("both", 0.01, 0.1)]
    assert choose_rates(config, trials) == {"single segmentation": 0.1, "single depth": 0.01, "both": 0.01}
    with pytest.raises(TransferError, match="no trial of 'both' has a validation score"):
        choose_rates(config, trials[:-1])


def scattered(folder: Path, seeds: int, gain: float, noise: float, **changes: object) -> Transfer:
    """Networks whose scores scatter by ``noise`` with the seed, the shared ones better by ``gain`` in both tasks."""
    config = read_transfer_config(write(folder, setups={"shared": {}}, **changes))
    runs = []
    for seed in range(seeds):
        a, b, c, d = np.random.default_rng(seed).normal(0, noise, 4)
        runs += [result("single segmentation", seed, segmentation(0.5 + a)), result("single depth", seed, depth(0.8 + b))]
        runs.append(result("shared", seed, segmentation(0.5 * (1 + gain) + c) | depth(0.8 * (1 - gain) + d)))
    return tabulate(config, runs)


@pytest.mark.parametrize(
    ("seeds", "gain", "verdict", "words"),
    [
        (5, 0.2, "better", "Better than single-task networks: shared (Δm +"),
        (5, -0.2, "worse", "Worse than single-task networks: shared (Δm −"),
        (5, 0.0, "no difference shown", "Nothing is shown either way. No difference shown: shared (Δm"),
        (3, 0.2, "3 seeds, no claim", "3 seeds, no claim: shared"),
        (1, 0.2, "one seed, no claim", "One seed, no claim: shared"),
    ],
)
def test_only_an_interval_that_leaves_zero_over_five_seeds_shows_a_difference(
    tmp_path: Path, seeds: int, gain: float, verdict: str, words: str
) -> None:
    transfer = scattered(tmp_path, seeds, gain, 0.02)
    assert transfer.rows[1].delta_m.verdict == verdict
    assert transfer.table()[1][7] == "–" and transfer.table()[2][7] == verdict
    assert words in markdown(transfer) and words in html(transfer)
    assert transfer.plain()["intervals"]["shared"]["delta_m"]["verdict"] == verdict


def test_an_interval_holds_the_scatter_of_both_sides_and_not_what_a_seed_does_to_both() -> None:
    steady = {seed: {"segmentation": 0.5} for seed in range(5)}
    wild = {seed: {"segmentation": 0.5 + 0.1 * (seed - 2)} for seed in range(5)}
    _, of_shared = paired_gains(steady, wild)
    _, of_alone = paired_gains(wild, steady)
    _, of_both_alike = paired_gains(wild, {seed: {"segmentation": 1.1 * scores["segmentation"]} for seed, scores in wild.items()})
    assert of_shared.low < -0.1 < 0.1 < of_shared.high
    assert of_alone.low < -0.1 < 0.1 < of_alone.high
    assert of_both_alike.low == pytest.approx(0.1) == of_both_alike.high
    assert paired_gains({0: steady[0], 7: steady[1]}, steady)[1].seeds == 1
    with pytest.raises(ValueError, match="no seed has scores of every task"):
        paired_gains({7: steady[0]}, steady)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """A 95 % bootstrap over five seeds is known to be too narrow, hence the claim needs five; it must not be far off."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        alone, shared = ({seed: {"segmentation": rng.normal(0.5, 0.02)} for seed in range(8)} for _ in range(2))
        _, found = paired_gains(alone, shared)
        held += found.low <= 0 <= found.high
    assert 0.85 * 200 <= held <= 199


def test_gains_go_with_the_length_of_training(tmp_path: Path) -> None:
    config = read_transfer_config(write(tmp_path, setups={"shared": {}}, lengths=[8]))
    planned = plan(config, 2)
    assert [(run.seed, run.training.steps) for run in planned if run.setup == "shared"] == [(0, 2), (1, 2), (0, 8), (1, 8)]
    assert len({run.result for run in planned}) == len(planned)
    runs = []
    for run in planned:
        m_iou, rmse = (0.6, 0.72) if run.training.steps == 2 else (0.5, 0.8)
        of_all = segmentation(m_iou if run.setup == "shared" else 0.5) | depth(rmse if run.setup == "shared" else 0.8)
        found = result(run.setup, run.seed, {task: of_all[task] for task in run.training.tasks})
        runs.append(found.model_copy(update={"training": {"steps": run.training.steps}}))
    transfer = tabulate(config, runs)
    assert [(steps, gain.mean) for steps, gain in transfer.by_length["shared"]] == [(2, pytest.approx(0.15)), (8, pytest.approx(0.0))]
    assert transfer.length_table()[0] == ["", "2 steps", "8 steps"]
    assert "By length of training" in markdown(transfer) and "By length of training" in html(transfer)
    assert transfer.rows[1].delta_m.mean == pytest.approx(0.15), "the table is of the base's length"


def trained(folder: Path, score: Callable[[PlannedRun], tuple[float, float]], **changes: object) -> Transfer:
    """The table of everything that is planned, where each run's mIoU and RMSE are what ``score`` says."""
    config = read_transfer_config(write(folder, **changes))
    runs = []
    for run in plan(config, 2):
        m_iou, rmse = score(run)
        of_all = segmentation(m_iou) | depth(rmse)
        found = result(run.setup, run.seed, {task: of_all[task] for task in run.training.tasks}, run.share)
        runs.append(found.model_copy(update={"training": {"steps": run.training.steps}}))
    return tabulate(config, runs)


def test_what_less_data_does_is_told_of_one_length(tmp_path: Path) -> None:
    """The other lengths are trained on all the data alone: among them, less data would look worse than it is."""
    transfer = trained(
        tmp_path, lambda run: (0.5 if run.training.steps == 2 else 0.9, 0.8), setups={"shared": {}}, lengths=[8], shares=[0.5, 1.0]
    )
    assert transfer.curves["segmentation"] == {name: [(0.5, 0.5), (1.0, 0.5)] for name in ("single-task", "shared")}


def test_a_set_up_may_have_steps_of_its_own(tmp_path: Path) -> None:
    transfer = trained(
        tmp_path, lambda run: (0.6 if run.training.steps == 4 else 0.5, 0.8), setups={"shared": {}, "longer": {"steps": 4}}, lengths=[8]
    )
    assert [row.column.name for row in transfer.rows] == ["single-task", "shared", "longer"]
    assert [row.delta_m.mean for row in transfer.rows[1:]] == [pytest.approx(0.0), pytest.approx(0.1)]


def test_a_network_alone_may_have_steps_of_its_own(tmp_path: Path) -> None:
    transfer = trained(
        tmp_path, lambda run: (0.5, 0.7 if run.training.steps == 4 else 0.8), setups={"shared": {}}, alone={"depth": {"steps": 4}}
    )
    assert [row.column.name for row in transfer.rows] == ["single-task", "shared"]
    assert transfer.rows[0].column.scores["depth"]["RMSE"].mean == pytest.approx(0.7)


def test_a_set_up_that_can_not_do_what_its_name_says_is_named(folder: Path, tmp_path: Path) -> None:
    text = io.StringIO()
    config = write(folder, output=str(tmp_path / "out"), setups={"averaged": {"balancing": "dwa"}})
    with pytest.raises(TransferError, match="no multi-task network yet"):
        report_transfer(config, 2, Console(file=text, width=300), training=False)
    remark = "averaged: balancing: 'dwa' never acts in this run: it begins after 400 steps, the run has 2; lower 'window'"
    assert remark in text.getvalue()
    runs = [result("single segmentation", 0, segmentation(0.5)), result("single depth", 0, depth(0.8))]
    transfer = tabulate(read_transfer_config(config), [*runs, result("averaged", 0, segmentation(0.6) | depth(0.7))], [remark])
    assert remark in markdown(transfer) and "never acts in this run" in html(transfer) and transfer.plain()["remarks"] == [remark]


def test_less_data_is_no_gain_of_sharing_where_it_costs_the_single_task_network_nothing(tmp_path: Path) -> None:
    config = read_transfer_config(write(tmp_path, setups={"good": {}}, shares=[0.25, 1.0]))
    runs = []
    for share, m_iou in ((0.25, 0.52), (1.0, 0.5)):
        runs += [result("single segmentation", 0, segmentation(m_iou), share), result("single depth", 0, depth(0.8 - share / 10), share)]
        runs.append(result("good", 0, segmentation(m_iou + 0.1) | depth(0.7), share))
    words = markdown(tabulate(config, runs))
    assert (
        "good does what the single-task network does with all the data in mIoU with 25 % of it, and so does the single-task network with 25 %."
        in words
    )
    assert "good does what the single-task network does with all the data in RMSE with 25 % of it." in words


def test_the_shipped_configuration_holds_what_it_should() -> None:
    pytest.importorskip("torchjd")
    config = read_transfer_config(Path(__file__).parents[2] / "config" / "transfer.yaml")
    runs = plan(config, 3)
    assert remarks(runs) == []
    assert len({run.result for run in runs}) == len(runs)
    methods = {run.training.balancing.method for run in runs}
    gradient_methods = {"mgda", "pcgrad", "cagrad", "nash_mtl", "imtl_g", "aligned_mtl", "upgrad", "graddrop", "famo"}
    assert methods == gradient_methods | {"fixed", "uncertainty", "dwa", "gradnorm", "rlw", "geometric", "auto_lambda"}
    assert {run.training.built_architecture.neck for run in runs} == set(NECKS)
    assert {run.training.built_architecture.sharing.method for run in runs} == {"hard", "soft", "cross_stitch", "clustered"}


def test_the_converged_plan_sweeps_rates_on_validation_and_trains_at_three_lengths() -> None:
    config = read_transfer_config(Path(__file__).parents[2] / "config" / "transfer_converged.yaml")
    runs, trials = plan(config, 5), plan_trials(config)
    assert remarks(runs) == [] and len(trials) == 5 * 5
    assert len(runs) == 3 * 5 * 5 and {run.training.steps for run in runs} == {500, 2000, 4000}
    for run in [*runs, *trials]:
        assert config.test not in [*run.training.data, *run.training.validation.data]


def test_the_plan_for_driving_chooses_rates_without_the_test_set_and_gives_every_network_the_same_start() -> None:
    config = read_transfer_config(Path(__file__).parents[2] / "config" / "camvid_transfer.yaml")
    runs, trials = plan(config, 3), plan_trials(config)
    names = ["single detection", "single segmentation", "single lanes", "fixed", "gradnorm"]
    assert [run.setup for run in runs] == 3 * names and len(trials) == 3 * len(names)
    assert remarks(runs) == []
    for run in [*runs, *trials]:
        assert run.training.encoder_weights == "imagenet" and run.training.built_architecture.encoder == "efficientnet_lite0"
        assert config.test not in [*run.training.data, *run.training.validation.data]
    driving = read_config(Path(__file__).parents[2] / "config" / "applications" / "driving.yaml")
    assert runs[3].training.built_architecture == driving.built_architecture and set(runs[3].training.tasks) == set(driving.tasks)


def test_what_is_trained_once_is_trained_with_the_first_seed(tmp_path: Path) -> None:
    runs = plan(read_transfer_config(write(tmp_path, once=["a pyramid"])), 3)
    assert [run.seed for run in runs if run.setup == "a pyramid"] == [0]
    assert [run.seed for run in runs if run.setup == "fixed"] == [0, 1, 2]


def test_a_whole_table_of_every_seed_comes_before_what_less_data_does(tmp_path: Path) -> None:
    runs = plan(read_transfer_config(write(tmp_path, shares=[0.5, 1.0])), 2)
    names = ["single segmentation", "single depth", "fixed", "a pyramid"]
    whole = [(name, 1.0, seed) for seed in (0, 1) for name in names]
    assert [(run.setup, run.share, run.seed) for run in runs] == whole + [(name, 0.5, seed) for seed in (0, 1) for name in names[:3]]


def test_factors_are_those_of_the_set_up_or_else_of_the_file(tmp_path: Path) -> None:
    setups = {"fixed": None, "more depth": {"factors": {"depth": 3.0}}}
    runs = plan(read_transfer_config(write(tmp_path, setups=setups, factors={"segmentation": 2.0})), 1)
    weights = {run.setup: run.training.tasks for run in runs}
    assert weights["single segmentation"] == {"segmentation": 1.0}
    assert weights["fixed"] == {"segmentation": 2.0, "depth": 1.0}
    assert weights["more depth"] == {"segmentation": 1.0, "depth": 3.0}


def test_results_outlive_settings_that_come_later(folder: Path) -> None:
    config = read_transfer_config(write(folder, output=str(folder / "earlier")))
    run = plan(config, 1)[0]
    earlier = json.loads(run.training.model_dump_json())
    del earlier["prefetch"], earlier["small_heads"]
    found = result(run.setup, 0, segmentation(0.5)).model_copy(update={"training": earlier})
    run.result.parent.mkdir(parents=True)
    run.result.write_text(found.model_dump_json())
    assert list(finished([run])) == [run.result]


def test_the_share_of_data_that_suffices_lies_on_the_line_between() -> None:
    points = [(0.25, 0.2), (0.5, 0.4), (1.0, 0.5)]
    assert crossing(points, 0.3) == pytest.approx(0.375)
    assert crossing(points, 0.1) == 0.25
    assert crossing(points, 0.5) == 1.0
    assert math.isnan(crossing(points, 0.6))


def test_charts_say_what_they_show() -> None:
    assert bar_chart("gains", {"a": (3.0, 1.0)}) == bar_chart("gains", {"a": (3.0, 1.0)}), "the same numbers make the same file"
    bars = bar_chart("gains", {"a": (3.0, 1.0), "b": (-2.0, None)})
    assert "+3.0 %" in bars
    assert "−2.0 %" in bars
    lines = line_chart("course", {"x": [(0, 1.0), (1, 2.0)], "gone": [(0, math.nan)]}, "step", level=1.5)
    assert ">x</text>" in lines
    assert ">gone</text>" not in lines
    cells = heat_map("affinity", ["a", "b"], ["a", "b"], [[1.0, -0.5], [math.nan, 0.0]])
    assert "−0.50" in cells
    assert ">–</text>" in cells
