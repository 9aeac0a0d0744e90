# SPDX-License-Identifier: Apache-2.0
"""In which arithmetic the forward pass is trained."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from mtl_perception.inference.device import PRECISIONS, DeviceError, multiplies_bfloat16


class Precision:
    """Autocast and loss scaling of one precision on one device.

    bfloat16 needs no loss scaling. CPUs with AMX or AVX512-BF16 run it several times faster than float32, GPUs from
    compute capability 8.0 twice as fast; older GPUs have fast float16 only, whose gradients must be scaled.

    Raises:
        DeviceError: the device has no such arithmetic.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.name = _fastest(device) if name == "auto" else name
        if self.name == "float16" and device.type == "cpu":
            raise DeviceError("precision 'float16' is for GPUs; on the CPU use auto, float32 or bfloat16")
        self._device = device
        self.scaler = torch.amp.GradScaler(device.type) if self.name == "float16" else None

    def autocast(self) -> AbstractContextManager[object]:
        if self.name == "float32":
            return nullcontext()
        return torch.autocast(self._device.type, dtype=PRECISIONS[self.name])

    @property
    def scale(self) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """Function that scales a loss before the backward pass; None where none is needed."""
        return None if self.scaler is None else self.scaler.scale


def _fastest(device: torch.device) -> str:
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float16"
    return "bfloat16" if multiplies_bfloat16() else "float32"
