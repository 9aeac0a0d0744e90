# SPDX-License-Identifier: Apache-2.0
"""The whole benchmark at a tiny size: real engines, real processes, real files."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from mtl_perception.benchmark.networks import EngineSpec, write_network
from mtl_perception.benchmark.page import write_docs_page
from mtl_perception.benchmark.peers import PeerSpec
from mtl_perception.benchmark.probe import measure_memory
from mtl_perception.benchmark.result import load_report
from mtl_perception.benchmark.settings import BenchmarkError
from mtl_perception.cli.app import app
from mtl_perception.model.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[2]
TINY = ("--quick", "--size", "96x64", "--threads", "1", "--backend", "torch", "--device", "cpu")


def call(*arguments):
    result = CliRunner().invoke(app, ["benchmark", *TINY, *map(str, arguments)])
    return result.exit_code, " ".join((result.stdout + result.stderr).split())


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder with the result of the sections that need no further process."""
    folder = tmp_path_factory.mktemp("benchmark")
    sections = ("stages", "sharing", "peers", "cameras", "resolution")
    code, text = call("--out", folder, *(f"--only={section}" for section in sections))
    assert code == 0, text
    return folder


@pytest.mark.slow
def test_every_section_states_what_it_ran_on_and_its_percentiles(out):
    report = load_report(out / "benchmark.json")
    assert list(report.parts) == ["stages", "sharing", "peers", "cameras", "resolution"]
    assert not report.missing and report.settings.threads == 1
    for parts in report.parts.values():
        for part in parts.values():
            assert not part.missing
            for arm in part.arms.values():
                assert {"device", "precision", "backend", "image", "input", "batch"} <= set(arm.facts)
                total = arm.total
                assert 0 < total.least_ms <= total.p50_ms <= total.p90_ms <= total.p99_ms


@pytest.mark.slow
def test_stages_make_up_the_whole(out):
    for arm in load_report(out / "benchmark.json").parts["stages"]["stages"].arms.values():
        assert set(arm.stages) == {"preprocess", "network", "postprocess"} and arm.total.count == 25
        whole = sum(stage.mean_ms for stage in arm.stages.values())
        assert 0.5 * arm.total.mean_ms < whole <= arm.total.mean_ms


@pytest.mark.slow
def test_cameras_and_resolutions_are_those_asked_for(out):
    parts = load_report(out / "benchmark.json").parts
    assert [arm.images for arm in parts["cameras"]["cameras"].arms.values()] == [1, 2, 4]
    resolution = parts["resolution"]["resolution"].arms
    assert list(resolution) == ["640×480, the model's own input", "1280×960, the model's own input"]
    assert {arm.facts["input"] for arm in resolution.values()} == {"512×384"}


@pytest.mark.slow
def test_page_shows_tables_targets_and_charts(out):
    text = (out / "benchmark.md").read_text()
    assert "lite: multi-task / sum of three single-task networks, engine | ≤ 0.40" in text
    assert "1 CPU thread, images of 96×64" in text and "mtl-perception benchmark --quick --device cpu" in text
    for chart in re.findall(r"!\[.*\]\((.+)\)", text):
        assert (out / chart).read_text().lstrip().startswith("<?xml")


@pytest.mark.slow
def test_a_second_run_goes_on_and_refuses_other_settings(out):
    before = (out / "benchmark.json").read_bytes()
    code, text = call("--out", out, "--only=stages")
    assert code == 0 and "1 of 1 parts are in" in text
    assert load_report(out / "benchmark.json") == type(load_report(out / "benchmark.json")).model_validate_json(before)
    code, text = call("--out", out, "--only=stages", "--size", "128x96")
    assert code == 1 and "size (96, 64) then, (128, 96) now" in text and "--restart" in text
    assert (out / "benchmark.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--only", "gpu"), "section 'gpu' is not known"),
        (("--size", "big"), "expected WIDTHxHEIGHT"),
        (("--backend", "caffe"), "backend 'caffe' is not known"),
        (("--device", "tpu"), "device 'tpu' is not known"),
        (("--precision", "int3"), "precision 'int3' is not known"),
        (("--model", "nosuch"), "no model 'nosuch'"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_measured(tmp_path, arguments, words):
    code, text = call("--out", tmp_path / "out", *arguments)
    assert code == 1 and words in text and not (tmp_path / "out").exists()


def test_a_damaged_result_is_named(tmp_path):
    (tmp_path / "benchmark.json").write_text('{"format_version": 1}')
    code, text = call("--out", tmp_path, "--only", "stages")
    assert code == 1 and "is no result of this version's benchmark" in text


def test_single_task_networks_are_parts_of_the_multi_task_one(tmp_path):
    whole, _card = load_checkpoint(write_network(tmp_path, "lite", (96, 64)))
    alone, own = load_checkpoint(write_network(tmp_path, "lite", (96, 64), ["depth"]))
    assert list(own.tasks) == ["depth"] and (own.input_width, own.input_height) == (96, 64)
    weights = whole.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in alone.state_dict().items())
    assert len(weights) > len(alone.state_dict())


@pytest.mark.slow
def test_memory_is_of_a_process_of_its_own(tmp_path):
    """One that holds 400 MB itself does not count; a larger image does."""
    ballast = bytearray(400 << 20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    path = str(write_network(tmp_path, "lite", (96, 64)))
    small = measure_memory([EngineSpec(model=path, device="cpu", backend="torch", image=(96, 64))], 1)
    large = measure_memory([PeerSpec(peer="lraspp_mobilenet_v3_large", classes=5, device="cpu", image=(960, 720))], 1)
    assert 0 < small.before_mib < small.peak_mib < small.before_mib + 300
    assert large.peak_mib - large.before_mib > 50 + small.peak_mib - small.before_mib
    assert abs(large.before_mib - small.before_mib) < 50


@pytest.mark.slow
def test_memory_that_cannot_be_measured_says_why(tmp_path):
    with pytest.raises(BenchmarkError, match="measuring memory failed: .*does not exist"):
        measure_memory([EngineSpec(model=str(tmp_path / "no.safetensors"), image=(96, 64))], 1)


@pytest.mark.slow
def test_ctrl_c_keeps_the_parts_that_were_done(tmp_path):
    command = [sys.executable, "-m", "mtl_perception.cli", "benchmark", *TINY, "--out", str(tmp_path)]
    command += ["--only=stages", "--only=resolution", "--only=node"]
    # Without ROS's path: the node's section is then missing, and says so.
    environment = {key: value for key, value in os.environ.items() if key != "AMENT_PREFIX_PATH"} | {"PYTHONPATH": str(ROOT)}
    # As a script leaves what it starts in the background: with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    signal.signal(signal.SIGINT, before)
    try:
        until_s = time.monotonic() + 300
        while not _done(tmp_path) and process.poll() is None and time.monotonic() < until_s:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130, text
    report = load_report(tmp_path / "benchmark.json")
    assert list(report.parts) == ["stages"] and "resolution" not in report.missing
    assert "From a camera's image" in (tmp_path / "benchmark.md").read_text()
    assert not list(tmp_path.glob("*.part"))
    done = subprocess.run([*command, "--only=node"], capture_output=True, text=True, env=environment)
    report = load_report(tmp_path / "benchmark.json")
    assert done.returncode == 0 and list(report.parts) == ["stages", "resolution"], done.stdout + done.stderr
    assert "needs ROS 2" in report.missing["node: lite, as it is"]
    assert "needs ROS 2" in (tmp_path / "benchmark.md").read_text()


def _done(folder):
    try:
        return bool(json.loads((folder / "benchmark.json").read_text()).get("parts"))
    except (OSError, json.JSONDecodeError):
        return False


def test_the_document_is_what_its_results_say(tmp_path, monkeypatch):
    """docs/benchmarks.md was written by the command, and not by hand."""
    pytest.importorskip("matplotlib")
    page = ROOT / "docs" / "benchmarks.md"
    folder = tmp_path / "docs" / "benchmarks"
    folder.mkdir(parents=True)
    for path in (ROOT / "docs" / "benchmarks").glob("*.[jm][sd]*"):
        (folder / path.name).write_bytes(path.read_bytes())
    from rich.console import Console

    monkeypatch.chdir(tmp_path)
    write_docs_page(Path("docs/benchmarks"), Path("docs/benchmarks.md"), Console())
    assert (tmp_path / "docs" / "benchmarks.md").read_text() == page.read_text()
    for chart in re.findall(r"!\[.*\]\((.+)\)", page.read_text()):
        assert (page.parent / chart).is_file()
