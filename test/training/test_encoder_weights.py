# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
import torchvision
from model import tiny_card

from mtl_perception.model.checkpoint import build_network
from mtl_perception.model.network import Architecture
from mtl_perception.training import TrainingError
from mtl_perception.training.encoder_weights import load_encoder_weights


def put_into_cache(cache: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """A torchvision network, with its weights where torch looks for a file that it need not download."""
    monkeypatch.setenv("TORCH_HOME", str(cache))
    torch.manual_seed(3)
    net = torchvision.models.get_model(name, weights=None).eval()
    weights = torchvision.models.get_model_weights(name).DEFAULT
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    path.parent.mkdir(parents=True)
    torch.save(net.state_dict(), path)
    return net


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "mobilenet_v3_large", "resnet18"])
def test_the_encoder_computes_what_torchvision_s_network_does(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = put_into_cache(tmp_path, name, monkeypatch)
    network = build_network(tiny_card(architecture=Architecture(encoder=name, neck_channels=8))).eval()
    assert "IMAGENET1K" in load_encoder_weights(network, "imagenet")
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        if name == "resnet18":
            x = net.maxpool(net.relu(net.bn1(net.conv1(images))))
            expected = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        else:
            expected = net.features[:-1](images)  # the last convolution serves classification only
        found = network.encoder(images)
        torch.testing.assert_close(found["c5"], expected)
    assert [value.shape[2] for value in found.values()] == [16, 8, 4, 2]
    assert tuple(value.shape[1] for value in found.values()) == network.encoder.channels


def test_weights_of_another_network_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_into_cache(tmp_path, "resnet18", monkeypatch)
    weights = torchvision.models.get_model_weights("resnet18").DEFAULT
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    torch.save(torchvision.models.mobilenet_v3_large(weights=None).state_dict(), path)
    with pytest.raises(TrainingError, match="does not fit .* of resnet18"):
        load_encoder_weights(build_network(tiny_card(architecture=Architecture(encoder="resnet18", neck_channels=8))), "imagenet")


def test_weights_that_can_not_be_downloaded_are_named_with_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for proxy in ("http_proxy", "https_proxy"):  # a port that nobody listens on
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    with pytest.raises(TrainingError, match=rf"resnet18.*put the file https://.*resnet18-\w+.pth into {tmp_path}.*encoder_weights to none"):
        load_encoder_weights(build_network(tiny_card(architecture=Architecture(encoder="resnet18", neck_channels=8))), "imagenet")
