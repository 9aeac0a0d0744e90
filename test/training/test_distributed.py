# SPDX-License-Identifier: Apache-2.0
"""Two real processes over gloo."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradients
import pytest
import torch
from runs import SMALL, small_config, weights_of, write_config
from shapes import write_shapes

from mtl_perception.model.checkpoint import read_card
from mtl_perception.training import ConfigError, train
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.sources import open_sources
from mtl_perception.training.state import load_state
from mtl_perception.training.stream import check_batch_sizes

ARCHITECTURE = {"encoder": "mobilenet_v3_large", "neck": "pan", "neck_channels": 64, "heads": "wide"}
"""Of the deeper ones rounding alone makes a loss differ by more than a ten-thousandth."""


def torchrun(*arguments: str) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def leave_out_labels(root: Path, config_path: Path) -> None:
    """Leave only the first two samples of the stream, which the first process gets, labelled for depth and detection."""
    from mtl_perception.training import read_config

    data = open_sources(read_config(config_path)).samples
    kept = {data.folders[0].entries[data.locate(i)[1]].file_name for i in range(2)}
    index = json.loads((root / "annotations.json").read_text())
    for image in index["images"]:
        if image["file_name"] not in kept:
            image["tasks"] = ["segmentation"]
    labelled = {image["id"] for image in index["images"] if "detection" in image["tasks"]}
    index["annotations"] = [annotation for annotation in index["annotations"] if annotation["image_id"] in labelled]
    (root / "annotations.json").write_text(json.dumps(index))


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_one(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "shapes", 8)
    config = write_config(tmp_path, precision="float32", gradient_norm=1e9, architecture=ARCHITECTURE)
    leave_out_labels(root, config)
    gradients.main(config, tmp_path / "one.pt")
    torchrun(gradients.__file__, str(config), str(tmp_path / "two.pt"))
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one.pt", "two.pt"))
    assert two["missing"] == {"detection": 1.0, "segmentation": 0.0, "depth": 1.0}
    assert one["losses"].keys() == two["losses"].keys()
    for name, value in one["losses"].items():
        assert two["losses"][name] == pytest.approx(value, rel=1e-4)
    for name, gradient in one["gradients"].items():
        # A level of the detection head that no box falls on has no gradient of its boxes.
        assert gradient.norm() > 0 or "box_towers" in name or "heads.detection.regress" in name, name
        # Batch norm adds up in another order, and a hundred layers of float32 make a thousandth of that.
        assert (two["gradients"][name] - gradient).norm() < 5e-3 * gradient.norm() + 1e-6, name
    for name, value in one["buffers"].items():
        torch.testing.assert_close(two["buffers"][name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_task_that_one_part_of_a_batch_lacks_keeps_its_whole_weight(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "shapes", 8)
    in_parts = write_config(tmp_path, precision="float32", gradient_norm=1e9, gradient_accumulation=2)
    leave_out_labels(root, in_parts)
    gradients.main(in_parts, tmp_path / "parts.pt")
    gradients.main(
        write_config(tmp_path, precision="float32", gradient_norm=1e9, stages=[{**SMALL, "batch_size": 2}]), tmp_path / "first.pt"
    )
    parts, first = (torch.load(tmp_path / name, weights_only=True) for name in ("parts.pt", "first.pt"))
    assert parts["losses"]["depth/silog"] == pytest.approx(first["losses"]["depth/silog"])
    for name, gradient in first["gradients"].items():
        if name.startswith("heads.depth"):
            torch.testing.assert_close(parts["gradients"][name], gradient)
    name = "heads.segmentation.classify.weight"
    assert not torch.allclose(parts["gradients"][name], first["gradients"][name], rtol=1e-2)


@pytest.mark.slow
def test_a_run_of_two_processes_is_saved_by_one_and_goes_on_with_one(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 8)
    changes = {"precision": "float32", "steps": 2, "validation": {"share": 0.3, "every_steps": 1, "pictures": 0}}
    config = small_config(tmp_path, **changes)
    said = torchrun("-m", "mtl_perception.cli", "train", str(write_config(tmp_path, **changes)))
    assert said.count("step 1: validation") == said.count("wrote ") == 1
    card = read_card(config.output)
    assert card.training["samples"] in (4, 8) and card.training["device"].endswith("2 processes")
    alone = small_config(tmp_path, **changes, output=str(tmp_path / "alone.safetensors"))
    train(alone)
    two, one = weights_of(config), weights_of(alone)
    # Adam turns the sign of a gradient that is nearly zero into a whole step, so single weights may differ.
    distance = sum(float((two[name].float() - value.float()).square().sum()) for name, value in one.items()) ** 0.5
    size = sum(float(value.float().square().sum()) for value in one.values()) ** 0.5
    assert distance < 1e-2 * size
    assert load_state(config.folder / "state.pt", config)["schedule"]["samples"] == 8


@contextmanager
def two_machines() -> Iterator[list[tuple[str, str]]]:
    """Two network namespaces, joined by a cable: each with its name and its address."""
    names = [f"mtl{os.getpid()}{end}" for end in "ab"]
    addresses = ["10.213.0.1", "10.213.0.2"]

    def ip(*words: str) -> None:
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
        if done.returncode:
            raise PermissionError(done.stderr.strip())

    try:
        try:
            for name in names:
                ip("netns", "add", name)
            ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
            for name, address in zip(names, addresses, strict=True):
                ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
                for link in ("lo", "cable"):
                    ip("-n", name, "link", "set", link, "up")
        except (FileNotFoundError, PermissionError) as error:
            pytest.skip(f"network namespaces can't be made here: {error}")
        yield list(zip(names, addresses, strict=True))
    finally:
        for name in names:
            subprocess.run(f"ip netns del {name}", shell=True, capture_output=True)


@pytest.mark.slow
def test_two_machines_train_one_network(tmp_path: Path) -> None:
    """As docs/training.md says it, over a network of their own."""
    write_shapes(tmp_path / "shapes", 8)
    changes = {"precision": "float32", "steps": 2}
    config = small_config(tmp_path, **changes)
    write_config(tmp_path, **changes)
    with two_machines() as machines:
        first_address = machines[0][1]
        started = [
            subprocess.Popen(
                ["ip", "netns", "exec", name, sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(rank)]
                + ["--nproc-per-node", "1", "--master-addr", first_address, "--master-port", "29500"]
                + ["-m", "mtl_perception.cli", "train", str(tmp_path / "config.yaml")],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=os.environ | {"GLOO_SOCKET_IFNAME": "cable"},
            )
            for rank, (name, _) in enumerate(machines)
        ]
        said = [process.communicate(timeout=500)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], "\n".join(said)
    assert [text.count("wrote ") for text in said] == [1, 0]
    card = read_card(config.output)
    assert card.training["samples"] == 8 and card.training["device"].endswith("2 processes")


def test_a_batch_that_processes_can_not_share_is_refused(tmp_path: Path) -> None:
    config = small_config(tmp_path, stages=[{**SMALL, "batch_size": 6}])
    with pytest.raises(ConfigError, match="batch_size 6 can't be shared by 4 processes.*multiple of 4"):
        check_batch_sizes(config, Ranks(0, 4))
