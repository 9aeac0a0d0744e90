# SPDX-License-Identifier: Apache-2.0
"""The graph holds nothing that a GPU's graph can't record; seen without a GPU."""

import pytest
import torch
from model import tiny_card
from pretended_gpu import CopiesFromHost, can_pretend, pretend_on_gpu
from torch._subclasses.fake_tensor import FakeTensorMode

from mtl_perception.core.geometry import View
from mtl_perception.inference.folding import fold_batch_norms
from mtl_perception.inference.graph import Graph
from mtl_perception.model.checkpoint import ModelCard, TaskCard, build_network
from mtl_perception.model.necks import NECKS
from mtl_perception.model.network import Architecture

pytestmark = can_pretend
SMALL = {"encoder": "mobilenet_v3_small", "neck_channels": 16}
BATCH = 2


def five_tasks(**architecture: object) -> ModelCard:
    card = tiny_card(architecture=Architecture(**{**SMALL, **architecture}))
    card.tasks["classification"] = TaskCard(kind="classification", settings={"labels": ["day", "night"]})
    card.tasks["lanes"] = TaskCard(kind="lanes", settings={"labels": ["drivable", "line"]})
    return card


@torch.inference_mode()
def copies_while_running(card: ModelCard, width: int, height: int) -> list[str]:
    network = fold_batch_norms(build_network(card).eval()).half()
    with FakeTensorMode():
        pretend_on_gpu(network)
        graph = Graph(network, View.fit(width, height, card.input_width, card.input_height, 32), tuple(card.tasks))
        images = torch.empty((BATCH, height, width, 3), dtype=torch.uint8, device="cuda")
        with CopiesFromHost() as copies:
            answers = graph(images, torch.empty(BATCH, device="cuda"))
        assert all(answer.device.type == "cuda" for answer in answers.values())
    return copies.found


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(128, 96), (100, 30), (320, 240), (64, 48)])
def test_a_camera_of_any_size(width: int, height: int) -> None:
    assert copies_while_running(five_tasks(), width, height) == []


@pytest.mark.slow(1)
@pytest.mark.parametrize("neck", NECKS)
def test_every_neck(neck: str) -> None:
    assert copies_while_running(five_tasks(neck=neck), 128, 96) == []


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v3_large", "yolox_nano", "yolox_nano+efficientnet_lite0"])
def test_the_encoders_of_what_is_shipped(encoder: str) -> None:
    assert copies_while_running(five_tasks(encoder=encoder), 128, 96) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "sharing",
    ["soft", "cross_stitch", {"method": "clustered", "groups": [["detection"], ["segmentation", "depth"], ["classification", "lanes"]]}],
)
def test_every_sharing(sharing: object) -> None:
    assert copies_while_running(five_tasks(sharing=sharing), 128, 96) == []


def test_what_is_looked_for_would_be_found() -> None:
    with FakeTensorMode(), CopiesFromHost() as copies:
        torch.empty(2, device="cuda") * torch.tensor([1.0, 2.0], device="cuda")
    assert copies.found
