# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from runs import SMALL, small_config

from mtl_perception.training.distributed import Ranks
from mtl_perception.training.schedule import Schedule
from mtl_perception.training.stream import Plan

STAGES = [{**SMALL, "until": 0.5}, {**SMALL, "batch_size": 8}]


def test_the_rate_rises_to_its_height_and_falls_to_a_hundredth(tmp_path: Path) -> None:
    schedule = Schedule(small_config(tmp_path, steps=100, warmup_steps=9, learning_rate=1.0))
    assert schedule.learning_rate == pytest.approx(0.1)
    schedule.step = 9
    assert schedule.learning_rate == pytest.approx(1.0)
    schedule.step, schedule.share = 100, 1.0
    assert schedule.learning_rate == pytest.approx(0.01)


def test_by_the_clock_only_time_spent_training_counts(tmp_path: Path) -> None:
    schedule = Schedule(small_config(tmp_path, steps=None, minutes=1e-9))
    assert schedule.measure() == 0.0
    schedule.go_on()
    schedule.pause()
    spent_s = schedule.spent_s
    assert schedule.measure() == 1.0 and spent_s > 0
    assert schedule.spent_s == spent_s
    later = Schedule(small_config(tmp_path, steps=None, minutes=5))
    later.load_state_dict(schedule.state_dict())
    assert later.measure() == pytest.approx(spent_s / 300)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_no_sample_is_left_out_or_taken_twice(tmp_path: Path, processes: int, accumulation: int) -> None:
    config = small_config(tmp_path, steps=4, stages=STAGES, gradient_accumulation=accumulation)
    parts = [part for rank in range(processes) for part in Plan(config, Schedule(config), Ranks(rank, processes))]
    taken = sorted(i for part in parts for i in range(part.first, part.first + part.count))
    assert taken == list(range(2 * 4 + 2 * 8))
    assert {(part.stage, part.images_in_step) for part in parts} == {(0, 4), (1, 8)}


def test_a_resumed_plan_goes_on_with_the_next_sample(tmp_path: Path) -> None:
    config = small_config(tmp_path, steps=4, stages=STAGES)
    whole = list(Plan(config, Schedule(config), Ranks()))
    resumed = Schedule(config)
    resumed.load_state_dict({"step": 3, "samples": 16, "spent_s": 0.0, "share": 0.75})
    assert list(Plan(config, resumed, Ranks())) == whole[3:]


def test_by_the_clock_the_stage_is_the_present_one(tmp_path: Path) -> None:
    config = small_config(tmp_path, steps=None, minutes=5, stages=STAGES)
    schedule = Schedule(config)
    plan = iter(Plan(config, schedule, Ranks()))
    assert next(plan).stage == 0
    schedule.share = 0.6
    assert next(plan).stage == 1
    schedule.share = 1.0
    assert list(plan) == []
