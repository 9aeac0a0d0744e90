# SPDX-License-Identifier: Apache-2.0
import torch
import torchvision

from mtl_perception.model.encoders import build_encoder
from mtl_perception.training.encoder_weights import _fill


def test_the_pyramid_is_that_of_torchvisions_network_with_its_weights() -> None:
    torch.manual_seed(0)
    whole = torchvision.models.swin_t(weights=None).eval()
    encoder = build_encoder("swin_t").eval()
    _fill(encoder, whole.state_dict(), "swin_t", "torchvision")
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        found = encoder(images)
        expected = whole.features(images).permute(0, 3, 1, 2)
    torch.testing.assert_close(found["c5"], expected)
    shapes = {level: tuple(feature.shape[1:]) for level, feature in found.items()}
    assert shapes == {"c2": (96, 16, 24), "c3": (192, 8, 12), "c4": (384, 4, 6), "c5": (768, 2, 3)}
    assert encoder.channels == (96, 192, 384, 768)
