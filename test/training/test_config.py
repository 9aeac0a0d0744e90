# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import pytest
from runs import SMALL, small_config, write_config

from mtl_perception.training import ConfigError, read_config

PAIR = {"method": "clustered", "groups": [["detection"], ["segmentation", "depth"]]}
GOALS = {"detection": 0.5, "segmentation": 0.5, "depth": 0.5}
APART = {"method": "clustered", "groups": [["detection"], ["segmentation"], ["depth"]]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learning_rat": 1}, "learning_rat"),
        ({"learning_rate": -1}, "learning_rate.*-1"),
        ({"variant": "huge"}, "variant.*lite.*huge"),
        ({"tasks": {"pose": 1.0}}, "pose.*detection, segmentation, depth"),
        ({"tasks": {"depth": 0.0}}, "'depth' has weight 0.0"),
        ({"tasks": ["depth", "depth"]}, "'depth' is listed twice"),
        ({"tasks": ["pose"]}, "pose.*detection, segmentation, depth"),
        ({"minutes": 5}, "exactly one of 'minutes' and 'steps'"),
        ({"steps": None}, "exactly one of 'minutes' and 'steps'"),
        ({"stages": [{**SMALL, "until": 0.5}]}, "the last one 1.0"),
        ({"stages": [{**SMALL, "width": 100}]}, "multiple of 32.*100"),
        ({"gradient_accumulation": 3}, "batch_size 4 can't be cut into 3"),
        ({"gradient_accumulation": 4}, "at least two images"),
        ({"output": "model.pt"}, "output is model.pt.*safetensors"),
        ({"validation": {"share": 0.1}}, "exactly one of 'every_minutes' and 'every_steps'"),
        ({"validation": {"every_steps": 1}}, "exactly one of 'share' and 'data'"),
        ({"start_from": "a.safetensors", "encoder_weights": "imagenet"}, "one of 'start_from' and 'encoder_weights'"),
        ({"seed": 2**64}, "seed.*less than 18446744073709551616"),
        ({"precision": "int8"}, "precision.*bfloat16.*int8"),
        ({"architecture": {"necks": "pan"}}, "architecture: necks"),
        ({"balancing": {"method": "magic"}}, "'magic' is not known.*uncertainty"),
        ({"balancing": "uncertainty", "tasks": ["depth"]}, "'uncertainty' needs at least 2 tasks"),
        ({"balancing": "auto_lambda"}, "'auto_lambda' needs held-out images; give a section 'validation'"),
        (
            {"balancing": "gradnorm", "architecture": {"sharing": "soft"}},
            "'gradnorm' combines the gradients of shared parameters, .*share none",
        ),
        (
            {"balancing": "gradnorm", "architecture": {"sharing": APART}},
            "'gradnorm' combines the gradients of shared parameters, .*share none",
        ),
    ],
)
def test_a_wrong_configuration_names_key_and_value(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_config(write_config(tmp_path, **changes))


def test_tasks_are_a_list_or_have_weights(tmp_path: Path) -> None:
    assert small_config(tmp_path, tasks=["depth"]).tasks == {"depth": 1.0}
    assert small_config(tmp_path, tasks={"depth": 0.5}).tasks == {"depth": 0.5}


def test_parts_of_the_variant_can_be_replaced(tmp_path: Path) -> None:
    built = small_config(tmp_path, architecture={"neck_channels": 32}).built_architecture
    assert (built.encoder, built.neck_channels) == ("yolox_nano", 32)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.yaml does not exist"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1,")
    with pytest.raises(ConfigError, match="bad.yaml is not valid YAML"):
        read_config(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="holds list"):
        read_config(tmp_path / "list.yaml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"balancing": "dwa", "steps": 400}, "'dwa' never acts in this run: it begins after 400 steps, the run has 400; lower 'window'"),
        ({"balancing": "dwa", "steps": 500}, "'dwa' begins to act after 400 of 500 steps; lower 'window'"),
        ({"balancing": {"method": "dwa", "window": 25}, "steps": 500}, None),
        ({"balancing": "dwa", "steps": None, "minutes": 1}, None),  # nobody knows
        ({"balancing": "excess_mtl", "steps": 90}, "'excess_mtl' never acts.* lower 'n_warmup_steps'"),
        (
            {"balancing": "trimmed_mean", "architecture": {"sharing": PAIR}},
            r"'trimmed_mean' is a plain mean here: .* \(segmentation, depth\)",
        ),
        ({"balancing": "krum", "architecture": {"sharing": PAIR}}, "'krum' is a plain mean here"),
        ({"balancing": {"method": "pcd", "primary": "detection"}, "architecture": {"sharing": PAIR}}, "'pcd' is a plain mean here"),
        ({"balancing": "mgda", "architecture": {"sharing": PAIR}}, None),
        (
            {"task_schedule": {"method": "round_robin", "steps": 10}, "steps": 20},
            "depth is never trained: 'round_robin' takes 10 steps a turn",
        ),
        ({"task_schedule": {"method": "round_robin", "steps": 10}, "steps": 21}, None),
        ({"task_schedule": "round_robin", "balancing": "gradnorm"}, "'gradnorm' has nothing to weigh: 'round_robin' trains one task"),
        ({"task_schedule": "round_robin", "balancing": "uncertainty"}, None),
        (
            {"task_schedule": {"method": "performance_gap", "goals": GOALS}, "validation": {"share": 0.5, "every_steps": 9}, "steps": 9},
            "never acts",
        ),
        (
            {"task_schedule": {"method": "performance_gap", "goals": GOALS}, "validation": {"share": 0.5, "every_steps": 8}, "steps": 9},
            None,
        ),
    ],
)
def test_what_can_not_act_in_a_run_is_told(tmp_path: Path, changes: dict, words: str | None) -> None:
    if changes.get("balancing") is not None:
        pytest.importorskip("torchjd")
    remarks = small_config(tmp_path, **changes).remarks
    if words is None:
        assert remarks == []
    else:
        assert len(remarks) == 1 and re.search(words, remarks[0])


def test_the_shipped_configurations_are_valid() -> None:
    folder = Path(__file__).parents[2] / "config"
    configs = [folder / "affinity.yaml", *sorted((folder / "train").glob("*.yaml"))]
    assert len(configs) > 1
    for path in configs:
        read_config(path)
