# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from torch import nn

from mtl_perception.benchmark.peers import build_peer, detections, mask_and_confidence, settle_batch_norms
from mtl_perception.benchmark.settings import DETECTORS, SEGMENTERS, BenchmarkError

SIZE = (160, 96)
IMAGE = torch.linspace(0, 1, 3 * 160 * 96).view(3, 96, 160)


def network_with_input_shape(name):
    """A peer, and a list that the shape of what its first convolution gets is put into."""
    torch.manual_seed(0)
    network, shapes = build_peer(name, 5, SIZE).eval(), []
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    first.register_forward_pre_hook(lambda _, arguments: shapes.append(tuple(arguments[0].shape)))
    return network, shapes


@pytest.mark.parametrize("name", DETECTORS)
@torch.inference_mode()
def test_detectors_see_the_image_at_its_own_size(name):
    network, shapes = network_with_input_shape(name)
    boxes, scores, classes = detections(network, IMAGE)
    assert shapes == [(1, 3, 96, 160)]
    assert boxes.shape == (len(scores), 4) and len(classes) == len(scores)


@torch.inference_mode()
def test_a_detector_that_is_sure_answers_in_pixels_of_the_image():
    network, _ = network_with_input_shape("ssdlite320_mobilenet_v3_large")
    for layer in network.head.classification_head.module_list:
        bias = layer[-1].bias.view(-1, 6)  # five classes and the background
        bias[:, 2] = 20
    boxes, scores, classes = detections(network, IMAGE)
    assert len(boxes) > 1 and set(classes) == {2} and scores.min() > 0.9
    assert boxes.min() >= 0 and boxes[:, 2].max() <= 160 and boxes[:, 3].max() <= 96
    assert boxes[:, 2].max() > 96  # not pixels of a square


@pytest.mark.parametrize("name", SEGMENTERS)
@torch.inference_mode()
def test_segmenters_answer_for_every_pixel_of_the_image(name):
    network, shapes = network_with_input_shape(name)
    mask, confidence = mask_and_confidence(network, IMAGE)
    assert shapes == [(1, 3, 96, 160)]
    assert mask.shape == confidence.shape == (96, 160) and mask.dtype == confidence.dtype == np.uint8
    assert mask.max() < 5 and confidence.min() >= 255 // 5  # the likeliest of five


def test_settled_batch_norms_have_the_statistics_of_what_they_saw():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    settle_batch_norms(network, lambda: network(100 * IMAGE[None]))
    values = network[:2](100 * IMAGE[None])
    assert not network.training and not network[1].training
    assert values.mean((0, 2, 3)).abs().max() < 0.01 and (values.std((0, 2, 3)) - 1).abs().max() < 0.01


def test_unknown_peers_are_refused():
    with pytest.raises(BenchmarkError, match="'resnet18' is not compared with"):
        build_peer("resnet18", 5, SIZE)
