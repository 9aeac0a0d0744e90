# SPDX-License-Identifier: Apache-2.0
"""A transfer report from training to its page, on tiny networks and pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from mtl_perception.reports.charts import bar_chart, heat_map, line_chart
from mtl_perception.reports.plan import plan, read_transfer_config
from mtl_perception.reports.runs import RunResult, TransferError, finished
from mtl_perception.reports.transfer import report_transfer
from mtl_perception.reports.transfer_table import crossing
from mtl_perception.training import ConfigError
from shapes import write_shapes

QUIET = Console(quiet=True)


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
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transfer")
    write_shapes(folder / "train", 8)
    write_shapes(folder / "test", 2, seed=5)
    return folder


def test_from_training_to_the_page_and_what_is_done_is_not_done_again(folder: Path) -> None:
    config = write(folder, shares=[0.5, 1.0])
    transfer = report_transfer(config, 1, QUIET, apart=False)
    out = folder / "out"
    assert [row.column.name for row in transfer.rows] == ["single-task", "fixed", "a pyramid"]
    results = {path.stem: RunResult.model_validate_json(path.read_text()) for path in (out / "runs").glob("*.json")}
    assert set(results) == {
        *(f"single-{task}-{share}-0" for task in ("segmentation", "depth") for share in (50, 100)),
        *("fixed-50-0", "fixed-100-0", "a-pyramid-100-0"),
    }
    half, whole = results["fixed-50-0"], results["fixed-100-0"]
    assert half.evaluation.model.training["images"] < whole.evaluation.model.training["images"] == 8
    assert whole.evaluation.model.tasks == ["segmentation", "depth"]
    assert whole.minutes > 0
    assert whole.memory_mb > 0
    assert whole.latency_p50_ms > 0

    # Δm by hand
    alone = {t: results[f"single-{t}-100-0"].evaluation.sets["test"].scores[t] for t in ("segmentation", "depth")}
    both = whole.evaluation.sets["test"].scores
    gain_m_iou = both["segmentation"]["mIoU"] / alone["segmentation"]["mIoU"] - 1
    gain_rmse = 1 - both["depth"]["RMSE"] / alone["depth"]["RMSE"]
    assert transfer.rows[1].column.delta_m.mean == pytest.approx((gain_m_iou + gain_rmse) / 2)
    assert transfer.rows[0].column.parameters == sum(results[f"single-{t}-100-0"].evaluation.model.parameters for t in alone)
    assert {name: len(points) for name, points in transfer.curves["depth"].items()} == {"single-task": 2, "fixed": 2}

    page, words = (out / "index.html").read_text(), (out / "transfer.md").read_text()
    assert all(name in page and name in words for name in ("fixed", "a pyramid", "mIoU ↑", "RMSE ↓", "GMAC"))
    assert page.count("<svg") == 3
    assert json.loads((out / "transfer.json").read_text())["delta_m"]["fixed"] == transfer.rows[1].column.delta_m.mean

    # A second call trains nothing; a run whose result is gone is done again, here in a process of its own.
    stamps = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*.json")}
    report_transfer(config, 1, QUIET)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    (out / "runs" / "fixed-100-0.json").unlink()
    report_transfer(config, 1, QUIET)
    again = RunResult.model_validate_json((out / "runs" / "fixed-100-0.json").read_text())
    assert again.evaluation.sets["test"].scores["segmentation"]["mIoU"] == both["segmentation"]["mIoU"]
    assert [path for path in stamps if path.stat().st_mtime_ns != stamps[path]] == [out / "runs" / "fixed-100-0.json"]

    with pytest.raises(TransferError, match="comes of another configuration .learning_rate changed.; choose another 'output'"):
        changed = yaml.safe_load(config.read_text())
        changed["base"]["learning_rate"] = 0.01
        config.write_text(yaml.safe_dump(changed))
        finished(plan(read_transfer_config(config), 1))


def test_a_network_that_diverges_is_named_and_the_others_stand(folder: Path) -> None:
    setups = {"fixed": {}, "too fast": {"learning_rate": 1e30, "steps": 6}}
    config = write(folder, output=str(folder / "diverged"), setups=setups)
    transfer = report_transfer(config, 1, QUIET, apart=False)
    assert [row.column.name for row in transfer.rows] == ["single-task", "fixed"]
    assert len(transfer.failed) == 1
    assert transfer.failed[0].startswith("too fast, seed 0")
    assert "Not trained" in (folder / "diverged" / "index.html").read_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tasks": ["depth"]}, "tasks.*at least 2"),
        ({"tasks": ["depth", "pose"]}, "setup 'single pose': .*task 'pose' is not known"),
        ({"setups": {}}, "setups"),
        ({"setups": {"x": {"seed": 3}}}, "setups.x has 'seed', which the report sets for each run"),
        ({"setups": {"x": {"balancing": "mgada"}}}, "setup 'x': .*'mgada' is not known; expected one of: fixed"),
        ({"setups": {"x": {"architecture": {"neck": "pen"}}}}, "setup 'x': .*pen"),
        ({"setups": {"x": {"architecture": {"sharing": {"method": "clustered", "groups": [["depth"]]}}}}}, "setup 'x': .*leave out task"),
        ({"setups": {"x": {}, "X ": {}}}, "must differ in their letters"),
        ({"shares": [0.5, 0.5]}, "shares are"),
        ({"efficiency": ["y"]}, "efficiency names 'y', expected some of: fixed, a pyramid"),
        ({"factors": {"pose": 2.0}}, "factors name task 'pose'"),
        ({"test": "nowhere"}, "test: nowhere does not exist"),
    ],
)
def test_a_wrong_configuration_is_told_before_anything_trains(folder: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises((ConfigError, TransferError), match=words):
        report_transfer(write(folder, **{"output": str(folder / "wrong"), **changes}), 1, QUIET)
    assert not list((folder / "wrong").rglob("*.safetensors"))


def test_the_shipped_configuration_holds_what_it_should() -> None:
    config = read_transfer_config(Path(__file__).parents[2] / "config" / "transfer.yaml")
    runs = plan(config, 3)
    assert len({run.result for run in runs}) == len(runs)
    methods = {run.training.balancing.method for run in runs}
    assert len(methods) >= 6
    assert {run.training.built_architecture.neck for run in runs} == {"pan", "fpn", "bifpn", "unet"}
    assert {run.training.built_architecture.sharing.method for run in runs} == {"hard", "soft", "cross_stitch", "clustered"}


def test_the_share_of_data_that_suffices_lies_on_the_line_between() -> None:
    points = [(0.25, 0.2), (0.5, 0.4), (1.0, 0.5)]
    assert crossing(points, 0.3) == pytest.approx(0.375)
    assert crossing(points, 0.1) == 0.25
    assert crossing(points, 0.5) == 1.0
    assert math.isnan(crossing(points, 0.6))


def test_charts_say_what_they_show() -> None:
    bars = bar_chart("gains", {"a": (3.0, 1.0), "b": (-2.0, None)})
    assert "+3.0 %" in bars
    assert "−2.0 %" in bars
    lines = line_chart("course", {"x": [(0, 1.0), (1, 2.0)], "gone": [(0, math.nan)]}, "step", level=1.5)
    assert lines.count("<polyline") == 1
    cells = heat_map("affinity", ["a", "b"], ["a", "b"], [[1.0, -0.5], [math.nan, 0.0]])
    assert cells.count("<rect") == 4
    assert "−0.50" in cells
    assert ">–<" in cells
