# SPDX-License-Identifier: Apache-2.0
import json
import pickle
from pathlib import Path

import pytest
import torch
from model import tiny_card, tiny_network
from safetensors.torch import load_file, save_file

from mtl_perception.model.checkpoint import CheckpointError, load_checkpoint, read_card, save_checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, tiny_network(), tiny_card(training={"seed": 3}, scores={"shapes": {"mIoU": 0.5}}))
    return path


def rewrite(path: Path, card: dict | None = None, tensors: dict | None = None) -> Path:
    """The file again with another card or other weights."""
    content = json.loads(read_card(path).model_dump_json())
    save_file(tensors or load_file(path), path, metadata={"mtl_perception": json.dumps({**content, **(card or {})})})
    return path


@pytest.mark.slow
def test_round_trip_keeps_card_and_answers(tmp_path: Path) -> None:
    network, card = tiny_network(), tiny_card(training={"seed": 3}, scores={"shapes": {"mIoU": 0.5}})
    save_checkpoint(tmp_path / "m.safetensors", network, card, dtype=torch.float32)
    loaded, loaded_card = load_checkpoint(tmp_path / "m.safetensors")
    assert loaded_card == card
    assert not loaded.training
    image = torch.randint(0, 256, (1, 3, 96, 128), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), network(image), rtol=0, atol=0)


@pytest.mark.slow
def test_half_precision_halves_the_file_and_moves_answers_little(tmp_path: Path) -> None:
    network = tiny_network()
    save_checkpoint(tmp_path / "half.safetensors", network, tiny_card())
    save_checkpoint(tmp_path / "full.safetensors", network, tiny_card(), dtype=torch.float32)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.52 * (tmp_path / "full.safetensors").stat().st_size
    loaded, _ = load_checkpoint(tmp_path / "half.safetensors")
    image = torch.randint(0, 256, (1, 3, 96, 128), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image)["depth"]["z"], network(image)["depth"]["z"], rtol=0, atol=0.02)


def test_a_weight_beyond_half_precision_is_stored_whole(tmp_path: Path) -> None:
    network = tiny_network()
    weight = next(network.parameters())
    with torch.no_grad():
        weight.view(-1)[0] = 1e5
    save_checkpoint(tmp_path / "m.safetensors", network, tiny_card())
    loaded, _ = load_checkpoint(tmp_path / "m.safetensors")
    torch.testing.assert_close(next(loaded.parameters()), weight, rtol=0, atol=0)


def test_a_pickle_is_refused_by_name_unopened(tmp_path: Path) -> None:
    trap = tmp_path / "weights.pth"

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    trap.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="pickle"):
        load_checkpoint(trap)
    assert not (tmp_path / "exploded").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="none.safetensors does not exist"):
        load_checkpoint(tmp_path / "none.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0, 7, 4000, 0.5, 0.999])
def test_a_truncated_file_is_refused(checkpoint: Path, kept: float) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(kept if isinstance(kept, int) else kept * len(content))])
    with pytest.raises(CheckpointError, match="truncated|not a readable"):
        load_checkpoint(checkpoint)


def test_a_git_lfs_pointer_is_refused(checkpoint: Path) -> None:
    checkpoint.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(CheckpointError, match="pointer"):
        load_checkpoint(checkpoint)


def test_weights_without_a_card_are_refused(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(2)}, tmp_path / "bare.safetensors")
    with pytest.raises(CheckpointError, match="no card"):
        load_checkpoint(tmp_path / "bare.safetensors")


def test_a_newer_format_says_to_upgrade(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="format version 99.*upgrade"):
        load_checkpoint(rewrite(checkpoint, {"format_version": 99, "something_new": 1}))


def test_a_wrong_number_of_classes_names_the_weights(checkpoint: Path) -> None:
    card = json.loads(read_card(checkpoint).model_dump_json())
    card["tasks"]["segmentation"]["settings"]["labels"].append("ghost")
    with pytest.raises(CheckpointError, match=r"heads.segmentation.classify.weight.*labels"):
        load_checkpoint(rewrite(checkpoint, card))


@pytest.mark.slow
def test_a_task_or_key_of_another_world_is_named(checkpoint: Path) -> None:
    tasks = {"depth": {"kind": "telepathy", "settings": {}}}
    with pytest.raises(CheckpointError, match="telepathy"):
        load_checkpoint(rewrite(checkpoint, {"tasks": tasks}))
    rewritten = checkpoint.with_name("other.safetensors")
    save_checkpoint(rewritten, tiny_network(), tiny_card())
    with pytest.raises(CheckpointError, match="colour"):
        load_checkpoint(rewrite(rewritten, {"colour": "blue"}))


@pytest.mark.slow
def test_missing_extra_and_spoilt_weights_are_named(checkpoint: Path) -> None:
    tensors = load_file(checkpoint)
    name = "heads.depth.regress.bias"
    with pytest.raises(CheckpointError, match=f"'{name}' are missing"):
        load_checkpoint(rewrite(checkpoint, tensors={k: v for k, v in tensors.items() if k != name}))
    with pytest.raises(CheckpointError, match="'stray' belong to nothing"):
        load_checkpoint(rewrite(checkpoint, tensors={**tensors, "stray": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match=f"{name}.*not finite"):
        load_checkpoint(rewrite(checkpoint, tensors={**tensors, name: torch.full_like(tensors[name], torch.nan)}))


@pytest.mark.slow
def test_a_failed_write_leaves_the_old_file(checkpoint: Path) -> None:
    before = checkpoint.read_bytes()
    # A network whose card can't be serialised stops the write halfway through.
    card = tiny_card(training={"seed": object()})
    with pytest.raises(Exception, match="serialize"):
        save_checkpoint(checkpoint, tiny_network(), card)
    assert checkpoint.read_bytes() == before
    assert [p.name for p in checkpoint.parent.iterdir()] == [checkpoint.name]
