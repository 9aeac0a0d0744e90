# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mtl_perception.benchmark.compared import Compared
from mtl_perception.benchmark.settings import BenchmarkError, Settings, check_sections, parse_size
from mtl_perception.benchmark.timing import Samples, interleave, proportion, ratio, timing


class Recorder:
    """Notes when it had its turn."""

    facts, images = {"device": "cpu"}, 1

    def __init__(self, name, turns):
        self._name, self._turns, self.closed = name, turns, False

    def __call__(self):
        self._turns.append(self._name)
        return {"network": 0.25}

    def close(self):
        self.closed = True


def test_jobs_take_turns_and_another_begins_each_round():
    turns, steps = [], []
    samples = interleave({name: Recorder(name, turns) for name in "abc"}, 4, lambda: steps.append(len(turns)), warm_up=1)
    assert "".join(turns) == "abc" + "abc" + "bca" + "cab" + "abc"
    assert steps == [6, 9, 12, 15]
    assert all(len(one.wall_s) == 4 and one.stage_s == {"network": [0.25] * 4} for one in samples.values())


def test_ratio_is_of_sums_round_by_round():
    samples = {"ours": Samples([1.0, 2.0, 9.0]), "a": Samples([1.0, 3.0, 10.0]), "b": Samples([1.0, 1.0, 10.0])}
    found = ratio("", samples, ["ours"], ["a", "b"])
    assert found.median == pytest.approx(0.5)  # of 0.5, 0.5 and 0.45
    assert found.of_least == pytest.approx(0.5)
    assert found.low == pytest.approx(0.475) and found.high == pytest.approx(0.5)


def test_proportion_within_frames_is_not_of_sums():
    assert proportion("", [1.0, 1.0, 8.0], [2.0, 4.0, 8.0]).median == pytest.approx(0.5)


def test_percentiles_are_in_milliseconds():
    found = timing(np.arange(1, 102) / 1000)
    assert (found.least_ms, found.p50_ms, found.p90_ms, found.p99_ms) == pytest.approx((1, 51, 91, 100))
    assert found.count == 101


def test_what_cannot_start_is_missing_with_its_reason_and_the_rest_is_measured():
    turns = []
    good = Recorder("good", turns)

    def broken():
        raise BenchmarkError("the backend is not installed: pip install it\nand so on")

    compared = Compared({"good": lambda: good, "broken": broken}, 2, lambda: None)
    compared.put("good / good", ["good"], ["good"])
    compared.put("good / broken", ["good"], ["broken"])
    part = compared.part("title")
    assert part.missing == {"broken": "the backend is not installed: pip install it"}
    assert list(part.arms) == ["good"] and good.closed
    assert [one.name for one in part.ratios] == ["good / good"]


@pytest.mark.parametrize("text", ["640", "640x", "0x480", "16x480", "-640x480", "640x480x3", "", "999999x480"])
def test_wrong_sizes_are_named(text):
    with pytest.raises(BenchmarkError, match="expected WIDTHxHEIGHT"):
        parse_size(text)


def test_sizes_and_sections():
    assert parse_size("640x480") == parse_size(" 640×480 ") == (640, 480)
    assert check_sections(["memory", "stages"]) == ("stages", "memory")
    with pytest.raises(BenchmarkError, match="'gpu' is not known; expected some of: stages"):
        check_sections(["gpu"])


def test_command_says_what_measures_the_same_again():
    settings = Settings.quick(size=(96, 64), threads=2, device="cpu")
    assert settings.command == "mtl-perception benchmark --quick --device cpu --size 96x64 --threads 2"
