# SPDX-License-Identifier: Apache-2.0
"""Checkpoints from anywhere: whatever stands in the file, it is a network or one sentence."""

import json
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from memory import peak_growth_mb
from model import tiny_card, tiny_network
from safetensors.torch import load_file, save, save_file

from mtl_perception.core.foreign_text import cut
from mtl_perception.model.checkpoint import CheckpointError, ModelCard, load_checkpoint, read_card, save_checkpoint
from mtl_perception.model.network import Architecture

LABELS = {"labels": ["a", "b"]}


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    card = tiny_card(architecture=Architecture(encoder="mobilenet_v3_small", neck="fpn", neck_channels=16))
    save_checkpoint(path, tiny_network(card), card)
    return path.read_bytes()


@pytest.fixture
def checkpoint(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(content)
    return path


def with_card(path: Path, change: Any) -> Path:
    card = json.loads(read_card(path).model_dump_json())
    text = change(card)
    save_file(load_file(path), path, metadata={"mtl_perception": text if isinstance(text, str) else json.dumps(card)})
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(path)
    message = str(refused.value)
    assert "\n" not in message and message.isprintable() and len(message) < 1500, message
    return message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda card: '{"training":' * 100_000, "not a JSON object.*recursion"),
        (lambda card: "[" * 100_000, "not a JSON object"),
        (lambda card: "[]", "not a JSON object"),
        (lambda card: "", "not a JSON object"),
        (lambda card: card.update(format_version=True), "format_version is True"),
        (lambda card: card.update(format_version="1" * 5000), "format_version is '1+…"),
        (lambda card: card.update(format_version=10**300), "version 10+…"),
        (lambda card: card.update(input_width=10**9), "input_width: expected less than or equal to 8192, got 1000000000"),
        (lambda card: card.update(input_width=8192, input_height=8192), "8192×8192 has more than 16777216 pixels"),
        (lambda card: card.update(input_height=float("nan")), "input_height: expected"),
        (lambda card: card.update(name=""), "name: "),
        (lambda card: card.update(name="x" * 10**6), "name: String should have at most 200 characters"),
        (lambda card: card.update(tasks={}), "tasks: "),
        (lambda card: card.update(scores={"a": {"b": float("inf")}}), "scores.a.b: expected a finite number"),
        (lambda card: card.update({"\x1b[31m" * 50: 1}), "is not a known key"),
        (lambda card: card["architecture"].update(neck_channels=10**9), "neck_channels: expected less than or equal to 1024"),
        (lambda card: card["architecture"].update(neck_channels=1), "neck_channels"),
        (lambda card: card["architecture"].update(encoder="timm/hf-hub:somebody/network"), "encoder 'timm/hf-hub.*not known"),
        (lambda card: card["architecture"].update(encoder="resnet_18"), "not known.*did you mean 'resnet18'"),
        (lambda card: card["architecture"].update(encoder="resnet50"), "are missing|have shape"),
        (lambda card: card["architecture"].update(sharing="soft"), "are missing"),
        (
            lambda card: card["architecture"].update(sharing={"method": "clustered", "groups": [["detection", "depth"], ["segmentation"]]}),
            "are missing",
        ),
        (lambda card: card["tasks"].update({"a.b": {"kind": "lanes", "settings": LABELS}}), "task is called 'a.b'"),
        (lambda card: card["tasks"].update({"": {"kind": "lanes", "settings": LABELS}}), "task is called ''"),
        (lambda card: card["tasks"].update({"forward": {"kind": "lanes", "settings": LABELS}}), "task is called 'forward'"),
        (lambda card: card["tasks"].update({"more": {"kind": "depth", "settings": {}}}), "'depth' and 'more' are both of kind depth"),
        (lambda card: card["tasks"]["depth"].update(kind="dept"), "did you mean 'depth'"),
        (lambda card: card["tasks"]["depth"]["settings"].update(min_m=float("nan")), "min_m: expected"),
        (lambda card: card["tasks"]["depth"]["settings"].update(max_m=1e300), "max_m: expected less than"),
        (lambda card: card["tasks"]["detection"].update(settings={"labels": 5}), "labels: expected a valid list, got 5"),
        (lambda card: card["tasks"]["detection"].update(settings={}), "labels is missing"),
        (lambda card: card["tasks"]["detection"].update(settings={"labels": ["a", "a"]}), "class 'a' is listed twice"),
        (lambda card: card["tasks"]["detection"].update(settings={"labels": ["a\nb"]}), "can't be printed"),
        (lambda card: card["tasks"]["detection"].update(settings={"labels": ["x" * 10**6]}), "labels.0: "),
        (
            lambda card: card["tasks"]["detection"].update(settings={"labels": [str(i) for i in range(30_000)]}),
            r"have shape.*number of labels in the card",
        ),
        (
            lambda card: card["tasks"]["detection"].update(settings={"labels": [str(i) for i in range(200_000)]}),
            "labels: List should have at most 30000 items",
        ),
    ],
)
def test_a_card_that_cannot_be_is_refused(checkpoint: Path, change: Any, words: str) -> None:
    message = refusal(with_card(checkpoint, change))
    assert re.search(words, message), message


def test_training_may_hold_anything_that_json_can(checkpoint: Path) -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    _, card = load_checkpoint(with_card(checkpoint, lambda card: card.update(training={"minutes": "soon", "start_from": deep})))
    assert ModelCard.model_validate_json(card.model_dump_json()) == card


def spoil(path: Path, name: str, change: Any) -> Path:
    tensors = load_file(path)
    tensors[name] = change(tensors[name])
    save_file(tensors, path, metadata={"mtl_perception": read_card(path).model_dump_json()})
    return path


BIAS, VARIANCE = "heads.depth.regress.bias", "heads.depth.tower.0.1.running_var"


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (VARIANCE, lambda t: t - 2, "hold a negative variance"),
        (VARIANCE, lambda t: t.fill_(torch.inf), "not finite"),
        (BIAS, lambda t: t.fill_(torch.nan), "not finite"),
        (BIAS, lambda t: t.double() + 1e300, "not finite"),
        (BIAS, lambda t: t.to(torch.int64), "stored as I64, expected one of BF16, F16, F32, F64"),
        (BIAS, lambda t: t.to(torch.bool), "stored as BOOL"),
        (BIAS, lambda t: t.to(torch.float8_e5m2), "stored as F8_E5M2"),
        (BIAS, lambda t: t[:1].clone(), r"have shape \[1\]"),
        (BIAS, lambda t: torch.zeros(0), r"have shape \[0\]"),
        ("heads.depth.tower.0.1.num_batches_tracked", lambda t: t.float(), "stored as F32"),
    ],
)
def test_weights_that_cannot_be_are_refused(checkpoint: Path, name: str, change: Any, words: str) -> None:
    message = refusal(spoil(checkpoint, name, change))
    assert f"'{name}'" in message and words.replace("\\", "") in message, message


def header(content: bytes, length: int | None = None) -> bytes:
    return (len(content) if length is None else length).to_bytes(8, "little") + content


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\0" * 7,
        header(b""),
        header(b"{}", 2**63),
        header(b"{}", 2**64 - 1),
        header(b" " * 100, 10**9),
        header(b"[]"),
        header(b"[" * 10**5),
        header(b'{"a":' * 10**5),
        header(b'{"a":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,4000000000000000000]}}'),
        header(b'{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
        header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
        header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}') + b"four",
    ],
)
def test_a_header_that_cannot_be_is_refused(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "odd.safetensors").write_bytes(start)
    assert "not a readable safetensors file" in refusal(tmp_path / "odd.safetensors")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in (tmp_path / "pipe.safetensors", tmp_path, Path("/dev/zero")):
        assert "it is a folder, a pipe or a device" in refusal(path) or "Is a directory" in refusal(path)
    (tmp_path / "program.pt2").touch()
    assert "program of torch.export" in refusal(tmp_path / "program.pt2")


def test_no_memory_is_taken_for_what_is_refused(tmp_path: Path, checkpoint: Path, content: bytes) -> None:
    """A card of a giant network, a giant header, and a file that is mostly a hole."""
    giant = tmp_path / "giant.safetensors"
    card = tiny_card(architecture=Architecture(encoder="resnet50", neck="bifpn", neck_channels=1024, sharing="soft"))
    giant.write_bytes(save({"w": torch.zeros(1)}, metadata={"mtl_perception": card.model_dump_json()}))
    long = tmp_path / "long.safetensors"
    entries = ",".join(f'"{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for i in range(500_000)).encode()
    long.write_bytes(header(b"{" + entries + b"}"))
    hole = tmp_path / "hole.safetensors"
    about = b'{"__metadata__":{"mtl_perception":%s},"w":{"dtype":"F32","shape":[1000000000],"data_offsets":[0,4000000000]}}' % (
        json.dumps(read_card(checkpoint).model_dump_json()).encode()
    )
    hole.write_bytes(header(about))
    os.truncate(hole, 8 + len(about) + 4_000_000_000)

    load_checkpoint(checkpoint)  # what PyTorch needs for itself is loaded
    for path in (giant, long, hole):
        assert peak_growth_mb(lambda path=path: refusal(path)) < 100, path.name


@pytest.mark.slow
def test_bytes_changed_at_random_are_refused_or_harmless(tmp_path: Path, content: bytes) -> None:
    """Half of the changes hit the header. What is loaded in spite of them is finite."""
    generator = random.Random(0)
    path = tmp_path / "spoilt.safetensors"
    end = 8 + int.from_bytes(content[:8], "little")
    refused = 0
    for turn in range(300):
        changed = bytearray(content)
        for _ in range(generator.choice((1, 3, 30))):
            at = generator.randrange(end) if turn % 2 else generator.randrange(len(content))
            changed[at] = generator.randrange(256)
        if turn % 10 == 0:
            del changed[generator.randrange(len(changed)) :]
        path.write_bytes(changed)
        try:
            network, card = load_checkpoint(path)
        except CheckpointError as error:
            refused += 1
            assert len(str(error)) < 1500 and "\n" not in str(error), cut(error, 3000)
        else:
            assert all(tensor.isfinite().all() for tensor in network.state_dict().values())
            ModelCard.model_validate_json(card.model_dump_json())
    assert refused > 100
