# SPDX-License-Identifier: Apache-2.0
import json
from io import StringIO

import pytest
from rich.console import Console
from scored import scored

from mtl_perception.evaluation.compare import compare, comparison_rows
from mtl_perception.evaluation.compare_command import compare_files
from mtl_perception.evaluation.results import ResultError

SINGLES = [
    scored("lite_detection", tasks=["detection"], parameters=2_000_000),
    scored("lite_segmentation", tasks=["segmentation"], parameters=2_000_000),
    scored("lite_depth", tasks=["depth"], parameters=2_500_000, size_bytes=5_000_000),
]


def rows(comparison):
    return {row[0]: row[1:] for row in comparison_rows(comparison)}


def test_one_multi_task_network_beside_three():
    comparison = compare([scored(sets={"unseen rooms": (0.44, 0.45, 0.4)}), *SINGLES])
    (network,) = comparison.networks
    assert network.delta_m.mean == pytest.approx((0.1 - 0.1 + 0.2) / 3) and network.delta_m.sd is None
    assert network.gains["depth"].mean == pytest.approx(0.2)
    assert comparison.baseline.parameters == 6_500_000 and comparison.baseline.size_bytes == 17_000_000
    assert comparison.baseline.gmac == pytest.approx(3 * 4.5) and network.gmac == 4.5
    table = rows(comparison)
    assert table[""] == ["single-task", "lite"]
    assert table["mAP ↑"] == ["0.400", "0.440 (+10.0 %)"] and table["RMSE ↓"] == ["0.500", "0.400 (+20.0 %)"]
    assert table["Δm ↑"] == ["–", "+6.7 %"] and table["parameters"] == ["6.50 M", "3.00 M"]
    assert "AP50_small_things ↑" not in table


def test_seeds_of_a_network_are_averaged_and_spread():
    seeds = [scored(sets={"unseen rooms": (value, 0.5, 0.5)}) for value in (0.36, 0.4, 0.44)]
    other = scored("balanced", sets={"unseen rooms": (0.4, 0.5, 0.25)})
    singles = [*SINGLES, scored("lite_depth", tasks=["depth"], sets={"unseen rooms": (0, 0, 0.3)})]
    comparison = compare([*seeds, *singles, other])
    lite, balanced = comparison.networks
    depth_baseline = (0.5 + 0.3) / 2
    gains = [(value / 0.4 - 1 + 0 + (1 - 0.5 / depth_baseline)) / 3 for value in (0.36, 0.4, 0.44)]
    assert lite.delta_m.mean == pytest.approx(gains[1]) and lite.delta_m.sd == pytest.approx(0.1 / 3)
    assert lite.scores["detection"]["mAP"].sd == pytest.approx(0.04) and lite.seeds["depth"] == 3
    assert balanced.delta_m.sd is None and comparison.baseline.seeds == {"detection": 1, "segmentation": 1, "depth": 2}


def test_networks_that_were_not_trained_alike_are_told():
    assert compare([scored(), *SINGLES]).remarks == []
    longer = scored(training={"data": "rooms", "samples": 900})
    singles = [scored(f"lite_{t}", tasks=[t], training={"data": "rooms", "samples": 300}) for t in longer.model.tasks]
    assert compare([longer, *singles]).remarks == [
        "not trained alike, samples differ (900: lite; 300: lite_detection, lite_segmentation, lite_depth)"
    ]


def test_what_follows_from_several_tasks_needs_no_baseline():
    multi = scored(sets={"unseen rooms": (0.44, 0.45, 0.4)})
    multi.sets["unseen rooms"].scores["depth_of_boxes"] = {"error": 0.1}
    assert compare([multi, *SINGLES]).networks[0].delta_m.mean == pytest.approx(0.2 / 3)


def no_number(word):
    raise AssertionError(f"{word} is no JSON")


@pytest.mark.parametrize("baseline", [None, 0.0], ids=["nothing to find", "found nothing"])
@pytest.mark.parametrize("seeds", [1, 2])
def test_a_gain_over_nothing_is_left_open(baseline, seeds):
    """Of a set without a box of a known class there is no mAP, and a network that has hardly begun has one of 0."""
    networks, alone = [scored() for _ in range(seeds)], scored("lite_detection", tasks=["detection"])
    for result in (alone, *(networks if baseline is None else ())):
        result.sets["unseen rooms"].scores["detection"]["mAP"] = baseline
    comparison = compare([*networks, alone, *SINGLES[1:]])
    assert rows(comparison)["Δm ↑"] == ["–", "–"]
    (network,) = json.loads(json.dumps(comparison.plain()), parse_constant=no_number)["networks"].values()
    assert network["delta_m"]["mean"] is None and network["gains"]["detection"]["mean"] is None
    assert network["gains"]["depth"]["mean"] == 0.0


@pytest.mark.parametrize(
    "results, message",
    [
        ([scored()], "1 networks with several tasks and 0 with one"),
        (SINGLES, "0 networks with several tasks and 3 with one"),
        ([scored(), *SINGLES[:2]], "no single-task network for depth"),
        ([scored(encoder="resnet18"), *SINGLES], "different encoders can't be compared: mobilenet_v3_large, resnet18"),
        ([scored(frames=9), *SINGLES], "not the same data everywhere: 9 frames of rooms_val, 10 frames of rooms_val"),
        ([scored(sets={"drive": (1, 1, 1)}), *SINGLES], "no set in common .lite: drive; lite_detection: unseen rooms"),
    ],
)
def test_what_cannot_be_compared_is_named(results, message):
    with pytest.raises(ResultError, match=message):
        compare(results)


def test_the_command_writes_json_and_markdown(tmp_path):
    paths = []
    for result in [scored(sets={"unseen rooms": (0.44, 0.45, 0.4), "drive": (0.1, 0.1, 0.1)}), *SINGLES]:
        paths.append(tmp_path / f"{result.model.name}.json")
        result.write(paths[-1])
    console = Console(file=StringIO(), width=120)
    compare_files(paths, None, tmp_path / "out/compared.json", tmp_path / "out/compared.md", console)
    assert "+6.7 %" in console.file.getvalue()
    written = json.loads((tmp_path / "out/compared.json").read_text())
    assert written["networks"]["lite"]["delta_m"] == {"mean": 0.06667, "sd": None}
    assert "| Δm ↑ | – | +6.7 % |" in (tmp_path / "out/compared.md").read_text()
    with pytest.raises(ResultError, match="not every result has the set 'drive'; all have: unseen rooms"):
        compare_files(paths, "drive", None, None, console)
