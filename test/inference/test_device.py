# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from mtl_perception.inference.device import resolve_precision
from mtl_perception.training.precision import Precision

CPU = torch.device("cpu")


@pytest.mark.skipif(not hasattr(torch.cpu, "get_capabilities"), reason="this PyTorch doesn't tell what the processor can do")
def test_a_cpu_that_multiplies_bfloat16_does_so_in_training_and_on_the_robot() -> None:
    can = torch.cpu.get_capabilities()
    expected = "bfloat16" if can.get("amx_bf16") or can.get("avx512_bf16") else "float32"
    assert resolve_precision("auto", CPU)[1] == expected
    assert Precision("auto", CPU).name == expected
