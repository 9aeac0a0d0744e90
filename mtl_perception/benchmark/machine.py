# SPDX-License-Identifier: Apache-2.0
"""The machine of a benchmark, in words."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from mtl_perception.benchmark.result import Machine

_LIBRARIES = ("torch", "torchvision", "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "numpy", "opencv-python-headless")
_INSTRUCTIONS = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx512f", "avx2", "asimd", "bf16", "i8mm")


def describe_machine() -> Machine:
    """This machine and the versions of what does the work."""
    return Machine(
        processor=_processor(),
        instructions=_instructions(),
        cores=usable_cores(),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        versions={name: found for name in _LIBRARIES if (found := installed(name)) is not None},
    )


def installed(library: str) -> str | None:
    """Its version, or None."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float:
    """Processors that had work in the last minute."""
    return round(os.getloadavg()[0], 1)


def _processor() -> str:
    try:
        names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        names = []
    return names[0].strip() if names else platform.processor() or platform.machine()


def _instructions() -> list[str]:
    """The widest of the processor's instruction sets for networks, as far as the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return []
    flags = set(" ".join(re.findall(r"^(?:flags|Features)\s*: (.+)$", text, re.MULTILINE)[:1]).split())
    return [name for name in _INSTRUCTIONS if name in flags]
