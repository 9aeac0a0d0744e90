# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from runs import SMALL, small_config, spoken
from shapes import write_shapes

from mtl_perception.training import ConfigError

TASKS = ["detection", "segmentation", "depth"]


def factors(tmp_path: Path, schedule: object, step: int = 0, share: float = 0.0, scores: dict | None = None) -> list[float]:
    config = small_config(tmp_path, task_schedule=schedule, validation={"share": 0.1, "every_steps": 1})
    found = config.task_schedule.factors(TASKS, step, share, scores or {})
    return [found[task] for task in TASKS]


def test_all_tasks_are_trained_in_every_step_by_default(tmp_path: Path) -> None:
    assert small_config(tmp_path).task_schedule.factors(TASKS, 7, 0.3, {}) == dict.fromkeys(TASKS, 1.0)


def test_round_robin_takes_turns(tmp_path: Path) -> None:
    schedule = {"method": "round_robin", "steps": 2}
    turns = [factors(tmp_path, schedule, step).index(1.0) for step in range(7)]
    assert turns == [0, 0, 1, 1, 2, 2, 0]


def test_the_easiest_begins_and_the_others_ramp_up(tmp_path: Path) -> None:
    schedule = {"method": "easiest_first", "order": ["depth", "detection", "segmentation"], "apart": 0.2, "ramp": 0.1}
    assert factors(tmp_path, schedule, share=0.0) == [0, 0, 1]
    assert factors(tmp_path, schedule, share=0.25) == pytest.approx([0.5, 0, 1])
    assert factors(tmp_path, schedule, share=0.55) == [1, 1, 1]


def test_what_is_furthest_from_its_goal_is_trained_most(tmp_path: Path) -> None:
    schedule = {"method": "performance_gap", "goals": {"detection": 0.5, "segmentation": 0.5, "depth": 0.8}}
    assert factors(tmp_path, schedule) == [1, 1, 1]
    found = factors(tmp_path, schedule, scores={"detection": 0.1, "segmentation": 0.25, "depth": 0.8})
    # Weights −(1 − κ) log κ of κ = 0.2, 0.5 and 0.999, over their mean; the last is kept at the least.
    focal = [0.8 * 1.6094, 0.5 * 0.6931, 0.0]
    assert found == pytest.approx([3 * focal[0] / sum(focal), 3 * focal[1] / sum(focal), 0.2], rel=1e-3)


def test_without_goals_difficulty_is_the_measured_score_itself(tmp_path: Path) -> None:
    scores = {"detection": 0.1, "segmentation": 0.25, "depth": 0.8}
    of_ones = factors(tmp_path, {"method": "performance_gap", "goals": dict.fromkeys(scores, 1.0)}, scores=scores)
    assert factors(tmp_path, {"method": "performance_gap"}, scores=scores) == of_ones
    assert of_ones == sorted(of_ones, reverse=True)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("sometimes", "'sometimes' is not known; expected one of: all, round_robin"),
        ({"method": "easiest_first", "order": ["depth"]}, "order is depth, expected each of the tasks once"),
        ({"method": "easiest_first", "order": TASKS, "apart": 0.6}, "'depth' would begin at 1.20"),
        ({"method": "performance_gap", "goals": {"depth": 0.5}}, "goals are given for depth"),
        ({"method": "performance_gap", "goals": dict.fromkeys(TASKS, 0.5)}, "give a section 'validation'"),
    ],
)
def test_a_schedule_that_can_not_be_is_refused(tmp_path: Path, schedule: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        small_config(tmp_path, task_schedule=schedule)


@pytest.mark.slow
def test_the_log_shows_whose_turn_it_was(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 4)
    config = small_config(tmp_path, tasks=["segmentation", "depth"], task_schedule="round_robin", steps=2, stages=[SMALL])
    first, second = [line for line in spoken(config).splitlines() if " step " in line]
    assert "seg/cross_entropy" in first and "dep/" not in first
    assert "dep/silog" in second and "seg/" not in second
    assert "weights seg 1 dep 0 " in first and "weights seg 0 dep 1 " in second
