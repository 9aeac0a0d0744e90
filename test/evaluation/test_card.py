# SPDX-License-Identifier: Apache-2.0
from io import StringIO

import pytest
import torch
from model import tiny_card, tiny_network
from rich.console import Console
from safetensors.torch import load_file
from scored import scored
from torch import nn

from mtl_perception.evaluation.card import write_card
from mtl_perception.evaluation.cost import count_gmac, parameter_count
from mtl_perception.evaluation.results import ResultError
from mtl_perception.model.checkpoint import CheckpointError, read_card, save_checkpoint

SETS = {"unseen rooms": (0.4, 0.5, 0.5), "demo drive": (0.5, 0.6, 0.25)}
TRAINING = {"data": "rooms_train", "images": 800, "minutes": 12, "device": "H100", "seed": 3}


@pytest.fixture(scope="module")
def tiny():
    card = tiny_card(training=TRAINING, version="2")
    return card, tiny_network(card), parameter_count(card)


def test_scores_go_into_the_card_and_the_weights_stay(tmp_path, tiny):
    card, network, parameters = tiny
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, network, card, torch.float32)
    before = load_file(path)
    scored("tiny", sets=SETS, version="2", parameters=parameters, training=TRAINING).write(tmp_path / "scores.json")
    write_card(path, tmp_path / "scores.json", None, None, Console(file=StringIO()))
    after = load_file(path)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) and before[name].dtype == after[name].dtype for name in before)
    found = read_card(path)
    assert found.scores["demo drive"] == {
        "mAP": 0.5, "AP50": 0.6, "mIoU": 0.6, "RMSE": 0.25, "AbsRel": 0.125, "delta1": 0.75,
    }  # fmt: skip
    assert found.limits == ""  # nobody told any
    page = (tmp_path / "tiny.md").read_text()
    assert page.startswith("# tiny, 2\n") and "detection (2 classes), segmentation (4 classes), depth" in page
    assert "**Training**\n\n| stage | network | data | images | minutes | device | seed |" in page
    assert "| 1 | tiny 2 | rooms_train | 800 | 12 | H100 | 3 |" in page
    assert "| demo drive | 10 | 0.500 |" in page and "**Limits.** None are told." in page
    write_card(path, tmp_path / "scores.json", tmp_path / "other.md", "Nothing is told.", Console(file=StringIO()))
    assert read_card(path).limits == "Nothing is told." and "Nothing is told." in (tmp_path / "other.md").read_text()


def test_scores_of_another_model_are_refused(tmp_path, tiny):
    card, network, parameters = tiny
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, network, card)
    for changes, message in (
        ({"version": "1", "training": TRAINING}, "scores of tiny 1 .* is tiny 2"),
        ({"version": "2", "training": TRAINING | {"seed": 4}}, "trained otherwise; evaluate this checkpoint first"),
    ):
        scored("tiny", parameters=parameters, **changes).write(tmp_path / "scores.json")
        with pytest.raises(ResultError, match=message):
            write_card(path, tmp_path / "scores.json", None, None, Console(file=StringIO()))
    (tmp_path / "torn.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(CheckpointError):
        write_card(tmp_path / "torn.safetensors", tmp_path / "scores.json", None, None, Console(file=StringIO()))
    assert read_card(path).scores == {} and not (tmp_path / "tiny.md").exists()


class _Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.last = nn.Linear(8, 5)

    def forward(self, images):
        return self.last(self.grouped(self.first(images.float())).mean(dim=(2, 3)))


def test_multiply_adds_counted_by_hand():
    per_pixel = 8 * 3 * 9 + 8 * 9  # at half the width and height
    assert count_gmac(_Small().to("meta"), 64, 32) == pytest.approx((32 * 16 * per_pixel + 8 * 5) / 1e9)


def test_the_card_tells_where_data_and_weights_are_from_and_nothing_that_it_does_not_know(tmp_path, tiny):
    _, network, parameters = tiny
    training = {
        "data": "mine",
        "sources": [{"name": "mine", "source": "our kitchen <script>", "license": "CC BY 4.0"}, {"name": "more"}],
        "start_from": {
            "name": "earlier", "data": "rooms", "encoder_weights": "weights of [others](http://a.b)",
            "sources": [{"name": "rooms", "source": "rendered", "license": "Apache-2.0"}],
            "composed": {"from": "earlier 1", "encoder": "efficientnet_lite0", "encoder_weights": "ImageNet's"},
        },
    }  # fmt: skip
    pages = {}
    for told in (training, TRAINING):
        path = tmp_path / "tiny.safetensors"
        save_checkpoint(path, network, tiny_card(training=told, version="2", name="tiny <b>"), torch.float32)
        scored("tiny <b>", sets=SETS, version="2", parameters=parameters, training=told).write(tmp_path / "scores.json")
        write_card(path, tmp_path / "scores.json", None, None, Console(file=StringIO()))
        pages[str(told)] = path.with_suffix(".md").read_text()
    told, untold = pages.values()
    assert "| mine | our kitchen &lt;script&gt; | CC BY 4.0 |" in told
    assert "| more | not told | not told |" in told and "| rooms | rendered | Apache-2.0 |" in told
    assert "| second encoder's first weights | ImageNet's | as named |" in told
    assert "\\[others](http://a.b)" in told and "# tiny &lt;b&gt;, 2" in told
    assert "<script>" not in told and "made from" not in untold and "others" not in untold
