# SPDX-License-Identifier: Apache-2.0
import torch
from torch import nn

from mtl_perception.training.averaging import RunningAverage


def averaged(decay: float, values: list[float]) -> float:
    """The averaged running variance of a batch norm that went through ``values``."""
    norm = nn.BatchNorm2d(1)
    average = RunningAverage(norm, decay)
    for value in values:
        norm.running_var.fill_(value)
        average.update_parameters(norm)
    return float(average.module.running_var)


def test_the_start_is_forgotten() -> None:
    # With a constant decay 6 % of the first variance were left, a hundred times the settled one.
    assert averaged(0.998, [1.0] + [0.0] * 1400) < 1e-6


def test_late_in_a_run_the_decay_is_the_configured_one() -> None:
    settled = [0.0] * 2_000
    assert abs(averaged(0.99, [*settled, 1.0]) - 0.01) < 1e-5


def test_parameters_are_averaged_too() -> None:
    linear = nn.Linear(1, 1)
    average = RunningAverage(linear, 0.5)
    for value in (0.0, 1.0):
        with torch.no_grad():
            linear.weight.fill_(value)
        average.update_parameters(linear)
    # The first update copies; in the second the short memory of a young run gives 2/11 to the past.
    torch.testing.assert_close(average.module.weight, torch.tensor([[1 - 2 / 11]]))


def test_whole_numbers_stay_as_they_are() -> None:
    # A transformer's place in its table of biases, 4.9999 after averaging, was cut to 4: another network.
    table = nn.Module()
    table.register_buffer("places", torch.arange(2401))
    average = RunningAverage(table, 0.998)
    for _ in range(5):
        average.update_parameters(table)
    assert torch.equal(average.module.places, table.places)
