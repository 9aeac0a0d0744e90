# SPDX-License-Identifier: Apache-2.0
import io
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from model import tiny_card, tiny_network
from rich.console import Console
from runs import small_config, weights_of
from shapes import write_shapes
from torchvision.models import SwinTransformer

from mtl_perception.inference import Engine
from mtl_perception.model.checkpoint import load_checkpoint, save_checkpoint
from mtl_perception.model.encoders import ENCODERS, swin
from mtl_perception.model.network import Architecture
from mtl_perception.training import ConfigError, TrainingConfig, train
from mtl_perception.training.low_bit.low_rank import to_nf4, unpack_nf4

pytest.importorskip("torchao", reason="needs the extra 'quantized'")

ARCHITECTURE = {"encoder": "swin_t", "neck": "pan", "neck_channels": 16, "heads": "wide"}
RANK = 2


@pytest.fixture(autouse=True)
def small_swin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Swin of two million weights less than its smallest: what is trained here is a network as any, only sooner."""
    monkeypatch.setitem(ENCODERS, "swin_t", lambda: swin(SwinTransformer([4, 4], 16, [1, 1, 1, 1], [1, 2, 4, 8], [7, 7])))


def config(folder: Path, **changes: object) -> TrainingConfig:
    if not (folder / "shapes").exists():
        write_shapes(folder / "shapes", 6)
        card = tiny_card(architecture=Architecture.model_validate(ARCHITECTURE))
        save_checkpoint(folder / "start.safetensors", tiny_network(card), card, torch.float32)
    values = {
        "architecture": ARCHITECTURE,
        "start_from": str(folder / "start.safetensors"),
        "steps": 3,
        "quantized_finetuning": {"rank": RANK},
        **changes,
    }
    return small_config(folder, **values)


class _Interrupts(io.StringIO):
    """Where a run writes to; presses Ctrl-C after the second step."""

    def write(self, text: str) -> int:
        if "step 2 " in text:
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


def test_the_checkpoint_is_an_ordinary_one_whose_encoder_moved_by_low_rank(tmp_path: Path) -> None:
    trained, card = load_checkpoint(train(config(tmp_path), Console(quiet=True)))
    assert card.training["quantized_finetuning"] == {"rank": RANK, "alpha": 16.0, "weights": "nf4"}
    begun, _ = load_checkpoint(tmp_path / "start.safetensors")
    weights = begun.encoder.state_dict()
    assert trained.encoder.state_dict().keys() == weights.keys()
    moved = 0
    for name, value in trained.encoder.state_dict().items():
        if value.ndim == 2 and "table" not in name:
            change = value - unpack_nf4(to_nf4(weights[name]))
            # Checkpoints are stored in half precision, which adds a little noise of full rank.
            strengths = torch.linalg.svdvals(change)
            assert strengths[RANK] < 0.02
            moved += int(strengths[0] > 0.02)
        else:
            torch.testing.assert_close(value, weights[name], rtol=1e-3, atol=1e-3)
    assert moved
    assert not torch.equal(trained.heads["depth"].regress.weight, begun.heads["depth"].regress.weight)
    engine = Engine.of(trained, card, "cpu", "float32")
    scene = engine(np.zeros((96, 128, 3), np.uint8))
    assert scene.depth is not None and np.isfinite(scene.depth.depth_m).all()


@pytest.mark.slow
def test_an_interrupted_run_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = config(tmp_path, output=str(tmp_path / "whole.safetensors"))
    train(whole, Console(quiet=True))
    stopped = config(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, Console(file=_Interrupts(), width=200))
    (tmp_path / "start.safetensors").unlink()  # all that is needed is in the state
    train(stopped, Console(quiet=True))
    expected, found = weights_of(whole), weights_of(stopped)
    for name, value in expected.items():
        pairs = value.items() if isinstance(value, dict) else [("", value)]
        for inner, tensor in pairs:
            assert torch.equal(tensor, found[name][inner] if inner else found[name]), name


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": {"encoder": "resnet18"}}, "transformer encoders .swin_t., got 'resnet18'"),
        ({"quantized_finetuning": {"rank": 0}}, "quantized_finetuning.rank: .*greater than 0"),
        ({"quantized_finetuning": {"bits": 4}}, "quantized_finetuning.bits"),
        ({"start_from": None}, "give trained ones with 'start_from' or 'encoder_weights: imagenet'"),
    ],
)
def test_what_can_not_be_is_told_with_the_configuration(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config(tmp_path, **changes)


def test_torchao_is_asked_for_where_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(ConfigError, match=r"pip install 'mtl-perception\[quantized\]'"):
        config(tmp_path)
    config(tmp_path, quantized_finetuning={"weights": "float32"})
