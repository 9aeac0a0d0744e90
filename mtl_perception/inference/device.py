# SPDX-License-Identifier: Apache-2.0
"""Which device and which precision a network runs in."""

from __future__ import annotations

from pathlib import Path

import torch

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class DeviceError(ValueError):
    """A device or precision that was asked for and can't be had; the message says what to do."""


def resolve_device(name: str) -> tuple[torch.device, list[str]]:
    """The device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, and what ``auto`` had to settle for.

    Raises:
        DeviceError: the name is not a device, or the device is absent.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device()), []
        return torch.device("cpu"), ["device auto: no CUDA device was found, so the network runs on the CPU"]
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise DeviceError(f"device '{name}' is not known; expected auto, cpu, cuda or cuda:N")
    if device.type == "cpu":
        return device, []
    if not torch.cuda.is_available():
        built = "this PyTorch was built without CUDA" if torch.version.cuda is None else "PyTorch finds no NVIDIA driver or GPU"
        raise DeviceError(f"device '{name}' was asked for, but {built}; set device to auto or cpu, or repair the driver")
    count = torch.cuda.device_count()
    index = torch.cuda.current_device() if device.index is None else device.index
    if index >= count:
        raise DeviceError(f"device '{name}' was asked for, but there are {count} CUDA devices: cuda:0 to cuda:{count - 1}")
    return torch.device("cuda", index), []


def resolve_precision(name: str, device: torch.device) -> tuple[torch.dtype, str]:
    """The dtype for ``auto`` or a name in ``PRECISIONS``, and its name.

    ``auto`` is float16 on a GPU; on a CPU bfloat16 where it multiplies that itself (AMX: 1.5 to 3 times faster than single
    precision, see docs/benchmarks.md; AVX512-BF16: 1.5 to 2 times; depth differed by a third of a percent), else float32.

    Raises:
        DeviceError: the name is not known, or the device has no such arithmetic.
    """
    if name == "auto":
        name = "float16" if device.type == "cuda" else "bfloat16" if multiplies_bfloat16() else "float32"
    if name not in PRECISIONS:
        raise DeviceError(f"precision '{name}' is not known; expected auto, {', '.join(PRECISIONS)}")
    if name == "float16" and device.type == "cpu":
        raise DeviceError("precision 'float16' is for GPUs; on the CPU use float32 or bfloat16")
    return PRECISIONS[name], name


def multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for it: AMX on Intel, AVX512-BF16 on AMD from Zen 4 on too."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
