# SPDX-License-Identifier: Apache-2.0
import os
import pickle
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from runs import SMALL, small_config, spoken, weights_of, write_config
from shapes import write_shapes

from mtl_perception.core.sole_writer import sole_writer
from mtl_perception.data.folder import ImageFolder
from mtl_perception.model.checkpoint import read_card
from mtl_perception.training import TrainingError, train
from mtl_perception.training.state import load_state, save_state


def start(config: Path) -> subprocess.Popen:
    """A run in a process of its own that inherits SIGINT as ignored, as one that a shell puts in the background does."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "mtl_perception.cli", "train", str(config)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "300"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )


def read_until(process: subprocess.Popen, words: str) -> str:
    text = ""
    for line in process.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(f"'{words}' never came: {text}")


@pytest.mark.slow(20)
def test_a_run_that_was_interrupted_and_then_killed_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 10)
    # Two stages, accumulated parts and, once, a helper process that reads ahead: all that has a position to lose.
    stages = [{**SMALL, "until": 0.5}, {**SMALL, "height": 96, "batch_size": 8}]
    changes = {"steps": 8, "stages": stages, "gradient_accumulation": 2, "save_every_minutes": 1e-6}
    whole = small_config(tmp_path, **changes, output=str(tmp_path / "whole.safetensors"))
    train(whole, Console(quiet=True))

    process = start(write_config(tmp_path, **changes, workers=1))
    read_until(process, "step 2 ")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=900)
    assert "the same command resumes" in said
    assert process.returncode == 130

    process = start(write_config(tmp_path, **changes))
    assert "resuming after step" in read_until(process, "step 6 ")
    process.kill()
    process.communicate(timeout=900)

    config = small_config(tmp_path, **changes)
    reached = load_state(config.folder / "state.pt", config)["schedule"]["step"]
    assert 5 <= reached < 8
    assert f"resuming after step {reached}" in spoken(config)
    card, expected_card = read_card(config.output), read_card(whole.output)
    assert card.training["samples"] == expected_card.training["samples"] == 4 * 4 + 4 * 8
    expected = weights_of(whole)
    for name, value in weights_of(config).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_another_configuration_is_refused_and_what_differs_is_named(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    spoken(small_config(tmp_path, steps=1))
    stage = {**SMALL, "batch_size": 8}
    with pytest.raises(TrainingError, match=r"learning_rate: 0.0015 → 0.1; stages: .*--restart"):
        train(small_config(tmp_path, steps=1, learning_rate=0.1, stages=[stage]))
    # How it runs is free, and a finished run has nothing left to do.
    assert "resuming after step 1 (100.0 %)" in spoken(small_config(tmp_path, steps=1, log_every_steps=7))
    assert "resuming" not in spoken(small_config(tmp_path, steps=1, learning_rate=0.1), restart=True)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    words = f"output {config.output}: another process is writing to {config.folder}; wait"
    with sole_writer(config.folder), pytest.raises(TrainingError, match=words):
        train(config)


@pytest.mark.slow
def test_a_script_that_trains_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    """Each process that reads its images loads the script again. What is known of the images is more than fits into a pipe to a
    process: writing that to one that had ended hung, and no signal ended it."""
    write_shapes(tmp_path / "shapes", 700, width=64, height=48)
    assert len(pickle.dumps(ImageFolder(tmp_path / "shapes"))) > 64 * 1024
    config = write_config(tmp_path, steps=2, workers=1)
    script = tmp_path / "unguarded.py"
    script.write_text(f"from mtl_perception.training import read_config, train\ntrain(read_config({str(config)!r}))\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "if __name__ == '__main__':" in done.stderr and "another process is writing" not in done.stderr


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    save_state(config.folder / "state.pt", {"weights": torch.zeros(1000)}, config)
    whole = (config.folder / "state.pt").read_bytes()
    (config.folder / "state.pt").write_bytes(whole[:700])
    with pytest.raises(TrainingError, match=r"state.pt can't be read.*--restart"):
        load_state(config.folder / "state.pt", config)


class FullDisk:
    """A console's file that makes the disk full, for large files, while ``during`` is the last that was said."""

    def __init__(self, during: str) -> None:
        self.during, self.text = during, ""

    def write(self, text: str) -> None:
        self.text += text
        limit = 100_000 if self.during in text else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def flush(self) -> None:
        pass


@pytest.mark.slow
def test_a_disk_that_is_full_for_a_while_costs_nothing(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    disk = FullDisk(during="step 2 ")
    config = small_config(tmp_path, steps=3, save_every_minutes=1e-6)
    try:
        train(config, Console(file=disk, width=400))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert f"not saved: can't write {config.output}" in disk.text
    assert read_card(config.output).training["steps"] == 3
    assert not list(tmp_path.rglob("*.part"))


def test_a_disk_that_is_full_from_the_start_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    disk = FullDisk(during="")
    disk.write("")
    try:
        with pytest.raises(OSError, match="can't write .*state.pt"):
            train(small_config(tmp_path), Console(file=disk))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert "step 1" not in disk.text


def test_a_state_of_a_version_with_fewer_settings_is_still_good(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    path = config.folder / "state.pt"
    save_state(path, {}, config)
    state = torch.load(path, weights_only=True)
    del state["config"]["task_schedule"], state["config"]["gradient_accumulation"]
    torch.save(state, path)
    load_state(path, config)
