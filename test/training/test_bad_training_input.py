# SPDX-License-Identifier: Apache-2.0
import json
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from runs import SMALL, small_config, spoken
from shapes import write_shapes

from mtl_perception.data.folder import DataError
from mtl_perception.inference.device import DeviceError
from mtl_perception.training import ConfigError, TrainingDiverged, TrainingError, train
from mtl_perception.training.watch import LossWatch


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_batch(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    with pytest.raises(TrainingDiverged, match=r"step \d+: .* not finite .*batch was .*images/000\d\.jpg.*No checkpoint had"):
        train(small_config(tmp_path, learning_rate=1e30, warmup_steps=0, steps=20), Console(quiet=True))


@pytest.mark.slow
def test_the_last_good_checkpoint_outlives_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    config = small_config(tmp_path, learning_rate=1e30, warmup_steps=0, steps=20, save_every_minutes=1e-6)
    with pytest.raises(TrainingDiverged, match="last good weights are in .*shapes.safetensors"):
        train(config, Console(quiet=True))
    state = torch.load(config.folder / "state.pt", weights_only=True)
    assert all(value.isfinite().all() for value in state["average"].values())


def test_losses_are_read_late_but_none_is_missed() -> None:
    watch = LossWatch(every=3)
    watch.add(1, {"a": torch.tensor(1.0)}, ["x.jpg"])
    watch.add(2, {"a": torch.tensor(float("nan")), "b": torch.tensor(2.0)}, [f"{i}.jpg" for i in range(20)])
    with pytest.raises(TrainingDiverged, match=r"step 2: a is not finite .*0.jpg, .*15.jpg and 4 more"):
        watch.add(3, {"a": torch.tensor(3.0)}, ["y.jpg"])


def test_a_gradient_may_overflow_where_losses_are_scaled() -> None:
    watch = LossWatch(every=1, allow_infinite_gradient=True)
    watch.add(1, {"a": torch.tensor(1.0), LossWatch.GRADIENT: torch.tensor(float("inf"))}, [])
    watch.add(2, {"a": torch.tensor(3.0), LossWatch.GRADIENT: torch.tensor(5.0)}, [])
    assert watch.take_means() == {"a": 2.0, LossWatch.GRADIENT: 5.0}
    assert watch.take_means() == {}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_file_is_named_in_one_line(tmp_path: Path, workers: int) -> None:
    write_shapes(tmp_path / "shapes", 4)
    broken = tmp_path / "shapes" / "depth" / "0002.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(DataError) as caught:
        train(small_config(tmp_path, tasks=["depth"], workers=workers), Console(quiet=True))
    assert str(broken) in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_task_that_nothing_is_labelled_for_is_refused(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "shapes", 4)
    index = json.loads((root / "annotations.json").read_text())
    for image in index["images"]:
        image["tasks"].remove("depth")
    (root / "annotations.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match="no image of .*shapes is labelled for task 'depth'.*detection, segmentation"):
        train(small_config(tmp_path), Console(quiet=True))
    write_shapes(tmp_path / "labelled", 4)
    both = [str(tmp_path / "labelled"), str(root)]
    with pytest.raises(ConfigError, match="data: no image of .*shapes is labelled for what is trained .depth.; leave the folder out"):
        train(small_config(tmp_path, data=both, tasks=["depth"]), Console(quiet=True))


def test_data_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="shapes/dataset.json"):
        train(small_config(tmp_path), Console(quiet=True))


def test_an_output_that_can_not_be_written_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="output .*file/run.safetensors: can't write to .*file/run: .*; choose another folder"):
        train(small_config(tmp_path, output=str(tmp_path / "file" / "run.safetensors")), Console(quiet=True))


def test_half_precision_is_refused_on_a_cpu(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 4)
    with pytest.raises(DeviceError, match="'float16' is for GPUs"):
        train(small_config(tmp_path, precision="float16"), Console(quiet=True))


def test_shared_memory_that_can_not_hold_the_batches_is_noticed_before(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 4)
    stage = {**SMALL, "width": 6400, "height": 6400, "batch_size": 64}
    with pytest.raises(ConfigError, match=r"64 workers that read 99 batches ahead need \d+ MiB in /dev/shm.*--shm-size"):
        train(small_config(tmp_path, workers=64, prefetch=99, stages=[stage]), Console(quiet=True))


@pytest.mark.slow
def test_tensorboard_that_is_not_installed_matters_only_if_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    write_shapes(tmp_path / "shapes", 4)
    with pytest.raises(TrainingError, match=r"pip install 'mtl-perception\[train\]'"):
        train(small_config(tmp_path, tensorboard=True), Console(quiet=True))
    assert "no curves are written" in spoken(small_config(tmp_path, tensorboard=None, tasks=["depth"], steps=1))
