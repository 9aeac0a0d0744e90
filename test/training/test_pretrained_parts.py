# SPDX-License-Identifier: Apache-2.0
"""Rates, frozen stages, class lists and shares of a run."""

from pathlib import Path

import pytest
import torch
from runs import small_config, spoken, weights_of
from shapes import write_shapes

from mtl_perception.data.mixed import MixedData
from mtl_perception.model.checkpoint import load_checkpoint
from mtl_perception.model.encoders import build_encoder
from mtl_perception.training import ConfigError, train
from mtl_perception.training.sources import open_sources

ENCODER = {"encoder": "mobilenet_v3_small", "neck_channels": 16}


def encoder_file(folder: Path) -> Path:
    torch.manual_seed(7)
    path = folder / "encoder.pth"
    torch.save(build_encoder("mobilenet_v3_small").state_dict(), path)
    return path


def test_frozen_stages_stay_to_the_bit_and_the_others_learn(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    file = encoder_file(tmp_path)
    before = torch.load(file, weights_only=True)
    config = small_config(tmp_path, architecture=ENCODER, encoder_weights=str(file), frozen_stages=2)
    train(config)
    after = {key.removeprefix("encoder."): value for key, value in weights_of(config).items() if key.startswith("encoder.")}
    changed = {key for key, value in before.items() if not torch.equal(value, after[key])}
    assert not any(key.startswith(("stages.0.", "stages.1.")) for key in changed)
    learned = [key for key in before if key.startswith(("stages.2.", "stages.3.")) and key.endswith("weight")]
    assert set(learned) <= changed


def test_the_encoder_has_a_rate_of_its_own(tmp_path: Path) -> None:
    """AdamW's first step is as long as the rate, whatever the gradient."""
    write_shapes(tmp_path / "shapes", 6)
    file = encoder_file(tmp_path)
    before = torch.load(file, weights_only=True)
    lengths = []
    for rate in (1.0, 0.1):
        config = small_config(
            tmp_path, architecture=ENCODER, encoder_weights=str(file), encoder_rate=rate, steps=1, warmup_steps=0, weight_decay=0.0
        )
        train(config, restart=True)
        key = next(key for key in before if key.startswith("stages.3.") and key.endswith("0.weight"))
        moved = weights_of(config)[f"encoder.{key}"] - before[key]
        lengths.append(float(moved.abs().median()))
    assert lengths[0] == pytest.approx(config.learning_rate, rel=0.2)
    assert lengths[1] == pytest.approx(0.1 * lengths[0], rel=0.05)


def test_frozen_stages_need_weights(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="frozen_stages keeps stages as they begin"):
        small_config(tmp_path, frozen_stages=1)


def test_frozen_stages_are_refused_where_an_encoder_has_none(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    torch.save(build_encoder("timm/resnet18").network.state_dict(), tmp_path / "resnet.pth")
    architecture = {"encoder": "timm/resnet18", "neck_channels": 16}
    config = small_config(tmp_path, architecture=architecture, encoder_weights=str(tmp_path / "resnet.pth"), frozen_stages=1)
    with pytest.raises(ConfigError, match="frozen_stages is 1, and the encoder timm/resnet18 has no stages"):
        train(config)


def test_only_the_named_classes_are_trained_in_their_order(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    labels = {"detection": ["can", "box"], "segmentation": ["box", "can", "floor"]}
    config = small_config(tmp_path, labels=labels, architecture=ENCODER)
    train(config)
    _, card = load_checkpoint(config.output)
    assert card.detection_labels == labels["detection"]
    assert card.segmentation_labels == labels["segmentation"]
    samples = open_sources(config).samples
    all_names = samples.folders[0]._own.labels("detection")
    assert {int(i) for n in range(6) for i in samples[n].labels["detection"].class_ids} <= {0, 1}
    assert set(labels["detection"]) <= set(all_names)


def test_a_class_that_no_data_have_is_named(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    with pytest.raises(ConfigError, match="labels: no image has the detection class 'unicorn'.*can"):
        train(small_config(tmp_path, labels={"detection": ["can", "unicorn"]}))


def test_weights_of_folders_are_their_shares(tmp_path: Path) -> None:
    paths = [write_shapes(tmp_path / name, count) for name, count in (("shapes", 8), ("few", 2))]
    config = small_config(tmp_path, data=[str(path) for path in paths], data_weights=[1.0, 12.0])
    mixed = open_sources(config).samples
    assert mixed.shares == pytest.approx([8 / 32, 24 / 32], abs=2 / 1024)
    drawn = [mixed.locate(i)[0] for i in range(1024)]
    assert drawn.count(1) / 1024 == pytest.approx(mixed.shares[1], abs=1e-9)
    with pytest.raises(ConfigError, match="data_weights has 1 values for 2 folders"):
        small_config(tmp_path, data=[str(path) for path in paths], data_weights=[1.0])


def test_several_folders_are_validated_on(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    held_out = [str(write_shapes(tmp_path / name, 2, seed=5 + i)) for i, name in enumerate(("one", "two"))]
    config = small_config(tmp_path, validation={"data": held_out, "every_steps": 2}, architecture=ENCODER)
    assert [len(folder) for folder in open_sources(config).held_out] == [2, 2]
    assert "score" in spoken(config)


def test_without_weights_shares_are_as_before(tmp_path: Path) -> None:
    folders = open_sources(small_config(tmp_path, data=str(write_shapes(tmp_path / "shapes", 5)))).samples.folders
    assert MixedData(folders).shares == [1.0]
