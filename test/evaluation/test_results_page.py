# SPDX-License-Identifier: Apache-2.0
from io import StringIO

import pytest
from rich.console import Console
from scored import scored

from mtl_perception.evaluation.results import ResultError
from mtl_perception.evaluation.results_page import write_results_page
from mtl_perception.evaluation.training_history import history_rows

SETS = {"unseen rooms": (0.4, 0.5, 0.5), "unseen textures": (0.32, 0.5, 0.5), "demo drive": (0.5, 0.6, 0.25)}


def write(folder, *results):
    for result in results:
        result.write(folder / f"{result.model.name}.json")
    page = folder / "page.md"
    write_results_page(folder, page, Console(file=StringIO()))
    return page.read_text()


def test_a_page_of_everything(tmp_path):
    (tmp_path / "introduction.md").write_text("# How good it is\n\nThe sets.\n\n## How\n\nBy eye.\n")
    (tmp_path / "targets.yaml").write_text(
        "lite: {mIoU: .65, AbsRel: .25, AP50: .5}\nlosses: {unseen textures: .15, demo drive: .25, nowhere: .1}\n"
    )
    singles = [scored(f"lite_{task}", tasks=[task]) for task in ("detection", "segmentation", "depth")]
    training = {"data": "rooms", "images": 800, "minutes": 150, "device": "H100", "seed": 3}
    base = scored("base", parameters=12_000_000, encoder="resnet18")
    text = write(tmp_path, base, scored(sets=SETS, training=training), *singles)
    assert text.startswith("# How good it is\n\nThe sets.\n\n| model |") and "\n\n## How\n\nBy eye.\n\n## lite 1\n" in text
    # The first set of each model, and no other: they have none in common but the first.
    assert "| lite 1 | 3.00 M | 1.50 G | unseen rooms | 10 | 0.500 | 0.500 | 0.250 | 0.500 |" in text
    assert "| base 1 | 12.00 M | 1.50 G | unseen rooms | 10 |" in text and "| demo drive | 10 |" not in text
    assert text.index("## lite 1") < text.index("## base 1"), "the smallest first"
    assert "| stage | network | data | images | minutes | device | seed |" in text
    assert "| 1 | lite 1 | rooms | 800 | 150 | H100 | 3 |" in text and "weights of the one above" not in text
    assert "```bash\nmtl-perception evaluate lite data/rooms_val\n```" in text
    assert "| mAP ↑ | 0.400 | 0.320 | 0.500 |" in text
    assert "| RMSE ↓ | 0.500 | 0.500 | 0.250 |" in text
    assert "| mIoU | ≥ 0.65 | 0.500 | **missed** |" in text
    assert "| AbsRel | ≤ 0.25 | 0.250 | met |" in text and "| AP50 | ≥ 0.5 | 0.500 | met |" in text
    # AP50 falls from .5 to .42, the others stay.
    assert "| unseen textures | 16 % | – | 0 % | 0 % | 0 % | ≤ 15 % | **missed** |" in text
    assert "| demo drive | −20 % | – | −20 % | −50 % | −50 % | ≤ 25 % | met |" in text
    assert "| cup | 0.400 | 0.250 | 0.500 | 0.125 |" in text and "| floor | – | – | – | 0.500 |" in text
    assert "| 0–1 m | 0.250 | 0.500 | −0.050 | 0.750 | 100 % |" in text
    assert "## Single-task against multi-task: mobilenet_v3_large" in text and "Encoder resnet18; detection" in text
    assert "against multi-task: resnet18" not in text
    assert "mtl-perception results" in text.splitlines()[-1]


def test_a_folder_without_scores_and_wrong_targets_are_named(tmp_path):
    with pytest.raises(ResultError, match="holds no .json file; expected scores"):
        write(tmp_path)
    (tmp_path / "targets.yaml").write_text("lite: .65\n")
    with pytest.raises(ResultError, match=r"targets\.yaml: expected"):
        write(tmp_path, scored())
    assert not (tmp_path / "page.md").exists()


def test_training_stages_are_listed_oldest_first_with_what_is_known_of_them():
    earlier = {"data": "rooms", "minutes": 65.4, "seed": 1}
    later = {
        "data": "rooms, <b>photos</b>",
        "samples": 5510,
        "minutes": 20.1,
        "finetuning": {"freeze": ["encoder", "detection"]},
        "interpolated": {"from": "lite 1", "share": 0.7},
        "start_from": {"name": "lite 1", **earlier},
    }
    assert history_rows(later, "lite 2") == [
        ["stage", "network", "data", "samples", "minutes", "seed", "frozen", "afterwards"],
        ["1", "lite 1", "rooms", "–", "65", "1", "–", "–"],
        ["2", "lite 2", "rooms, &lt;b&gt;photos&lt;/b&gt;", "5 510", "20", "–", "encoder, detection", "0.7 × this + 0.3 × lite 1"],
    ]
    composed = {"from": "lite 2", "encoder": "efficientnet_lite0", "encoder_weights": "ImageNet"}
    added = "efficientnet_lite0 beside its encoder"
    assert history_rows({**later, "composed": composed}, "base")[2][-1] == f"0.7 × this + 0.3 × lite 1, then {added}"
    assert history_rows({**earlier, "composed": composed}, "base")[1][-1] == added
    assert history_rows({}, "lite") == [["stage"]]
