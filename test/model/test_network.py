# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from model import tiny_card, tiny_network
from torch.utils.flop_counter import FlopCounterMode

from mtl_perception.model.encoders import build_encoder
from mtl_perception.model.necks import NECKS, build_neck
from mtl_perception.model.network import VARIANTS, Architecture, MultiTaskNetwork
from mtl_perception.tasks import build_task


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "parameters_m", "gmac"), [("lite", 1.2, 2), ("base", 4.2, 5), ("large", 26, 35)])
def test_stays_within_its_budget_at_vga(variant: str, parameters_m: float, gmac: float) -> None:
    labels = [f"class {i}" for i in range(17)]
    tasks = {
        "detection": build_task("detection", {"labels": labels[:14]}),
        "segmentation": build_task("segmentation", {"labels": labels}),
        "depth": build_task("depth", {}),
    }
    with torch.device("meta"):
        network = MultiTaskNetwork(VARIANTS[variant], tasks).eval()
        images = torch.zeros(1, 3, 480, 640)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(images)
    assert sum(p.numel() for p in network.parameters()) <= parameters_m * 1e6
    assert counter.get_total_flops() / 2e9 <= gmac


@pytest.mark.slow
def test_runs_only_the_heads_it_is_asked_for_and_gives_the_same_numbers() -> None:
    network = tiny_network()
    image = torch.randint(0, 256, (1, 3, 96, 128), dtype=torch.uint8)
    calls: list[str] = []
    for name, head in network.heads.items():
        head.register_forward_hook(lambda *_, name=name: calls.append(name))
    with torch.no_grad():
        only = network(image, tasks=("depth",))
        assert calls == ["depth"]
        everything = network(image)
    assert list(only) == ["depth"]
    assert list(everything) == ["detection", "segmentation", "depth"]
    torch.testing.assert_close(only["depth"], everything["depth"], rtol=0, atol=0)


@pytest.mark.slow
def test_each_head_answers_with_the_shapes_it_promises() -> None:
    with torch.no_grad():
        raw = tiny_network()(torch.zeros(2, 3, 96, 160, dtype=torch.uint8))
    cells = 12 * 20 + 6 * 10 + 3 * 5
    assert raw["detection"]["class_logits"].shape == (2, cells, 2)
    assert raw["detection"]["boxes_xyxy"].shape == (2, cells, 4)
    assert raw["detection"]["points"].shape == (cells, 2)
    assert raw["segmentation"]["logits"].shape == (2, 4, 24, 40)
    assert raw["depth"]["z"].shape == raw["depth"]["log_scale"].shape == (2, 1, 24, 40)


@pytest.mark.slow
def test_shared_parameters_are_those_of_no_head() -> None:
    network = tiny_network()
    shared = {id(p) for p in network.shared_parameters()}
    heads = {id(p) for p in network.heads.parameters()}
    assert not shared & heads
    assert shared | heads == {id(p) for p in network.parameters()}


def test_a_network_for_one_task_is_the_same_code() -> None:
    card = tiny_card(tasks=("depth",))
    assert list(tiny_network(card)(torch.zeros(1, 3, 96, 128))) == ["depth"]


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'vgg'.*mobilenet_v3_large"):
        build_encoder("vgg")
    with pytest.raises(ValueError, match="'fnp'.*pan"):
        build_neck("fnp", (1, 2, 3, 4), 8)
    with pytest.raises(ValueError, match="'pose'.*detection, segmentation, depth"):
        build_task("pose", {})
    with pytest.raises(ValueError, match="neck_channels"):
        Architecture(encoder="resnet18", neck_channels=0)


@pytest.mark.slow
@pytest.mark.parametrize("neck", NECKS)
def test_every_neck_gives_every_level_the_same_channels(neck: str) -> None:
    encoder = build_encoder("mobilenet_v3_large")
    module = build_neck(neck, encoder.channels, 24)
    levels = module(encoder(torch.randn(2, 3, 96, 160)))
    assert {level: tuple(x.shape) for level, x in levels.items()} == {
        "p2": (2, 24, 24, 40),
        "p3": (2, 24, 12, 20),
        "p4": (2, 24, 6, 10),
        "p5": (2, 24, 3, 5),
    }
    # Every level feeds some head, so every parameter of a neck must be trained by them.
    sum(x.square().sum() for x in levels.values()).backward()
    assert [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(
    ("neck", "sources"),
    [
        ("pfpn", {"p2": "2345", "p3": "2345", "p4": "2345", "p5": "2345"}),  # every level of all, in one step
        ("trn", {"p2": "2345", "p3": "345", "p4": "45", "p5": "5"}),  # from the coarse to the fine alone
    ],
)
def test_levels_are_made_of_the_levels_that_the_article_says(neck: str, sources: dict[str, str]) -> None:
    module = build_neck(neck, (8, 8, 8, 8), 8).eval()
    for name, made_of in sources.items():
        lateral = [torch.randn(1, 8, 32 // 2**i, 32 // 2**i, requires_grad=True) for i in range(4)]
        level = module.mix(*lateral)[name]
        given = torch.autograd.grad(level.square().sum(), lateral, allow_unused=True)
        assert "".join(str(i + 2) for i, gradient in enumerate(given) if gradient is not None and gradient.any()) == made_of, name


def test_fused_levels_are_a_weighted_mean() -> None:
    fusion = build_neck("bifpn", (8, 8, 8, 8), 8).rounds[0].top_down[0]
    fusion.convolution = torch.nn.Identity()
    with torch.no_grad():
        fusion.weights.copy_(torch.tensor([3.0, -1.0]))
    a, b = torch.randn(2, 1, 8, 4, 4).unbind()
    torch.testing.assert_close(fusion([a, b]), a * 3 / 3.0001)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v3_small", "mobilenet_v3_large", "resnet18"])
def test_after_a_hundred_steps_evaluation_normalises_as_training_did(name: str) -> None:
    torch.manual_seed(0)
    encoder, images = build_encoder(name).train(), torch.randn(4, 3, 64, 96)
    with torch.no_grad():
        for _ in range(100):
            trained = encoder(images)
        evaluated = encoder.eval()(images)
    for level in ("c2", "c3"):  # deeper ones hold too few pixels here for the two variances, by n and by n - 1, to be alike
        features = trained[level]
        assert (evaluated[level] - features).abs().mean() < 0.1 * features.abs().mean(), level
