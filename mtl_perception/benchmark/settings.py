# SPDX-License-Identifier: Apache-2.0
"""Settings of a benchmark."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mtl_perception.model.network import VARIANTS

Size = tuple[int, int]
"""Width and height, pixels."""

SECTIONS = ("stages", "node", "sharing", "peers", "backends", "memory", "cameras", "resolution")
"""In the order in which they are measured and shown."""

DETECTORS = ("ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_fpn", "retinanet_resnet50_fpn_v2")
SEGMENTERS = ("lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large")


class BenchmarkError(ValueError):
    """A benchmark that can't be run or read; the message says what to do."""


def parse_size(text: str) -> Size:
    """640x480 as (640, 480).

    Raises:
        BenchmarkError: it is not of that form, or no image of that size is worth a measurement.
    """
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip())
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if min(size) < 32:
        raise BenchmarkError(f"size '{text}' can't be used; expected WIDTHxHEIGHT of at least 32x32, such as 640x480")
    return size


def check_sections(names: list[str]) -> tuple[str, ...]:
    """The sections that were asked for, in their order; all if none was named.

    Raises:
        BenchmarkError: there is no section of that name.
    """
    for name in names:
        if name not in SECTIONS:
            raise BenchmarkError(f"section '{name}' is not known; expected some of: {', '.join(SECTIONS)}")
    return tuple(name for name in SECTIONS if name in names or not names)


def _known_variants(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := set(names) - set(VARIANTS):
        raise ValueError(f"variant '{unknown.pop()}' is not known; expected some of: {', '.join(VARIANTS)}")
    return names


class Settings(BaseModel):
    """One benchmark. Two results can go on in one file only if these are the same.

    Attributes:
        model: a shipped model's name or a checkpoint; what a user would run.
        size: of the camera's images, and of the networks' input where several are compared.
        backend: of ours, where backends are not what is compared.
        threads: of the processor, for whatever runs there.
        rounds: how often each of several contenders has its turn.
        frames: that single contenders are timed on; a 99th percentile wants a hundred or more.
        variants: shipped models that are compared with their single-task networks and with peers.
        cameras: numbers of cameras.
        sizes: resolutions of the camera.
        slow_starts: whether what compiles, exports or converts for long before its first frame has its turn.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    is_quick: bool = False
    model: str = "lite"
    device: str = "auto"
    precision: str = "auto"
    backend: str = "auto"
    size: Size = (640, 480)
    threads: int = Field(1, gt=0)
    rounds: int = Field(30, gt=0)
    frames: int = Field(200, gt=0)
    variants: Annotated[tuple[str, ...], AfterValidator(_known_variants)] = ("lite", "base")
    detectors: tuple[str, ...] = DETECTORS
    segmenters: tuple[str, ...] = SEGMENTERS
    cameras: tuple[int, ...] = (1, 2, 4, 8, 16)
    sizes: tuple[Size, ...] = ((320, 240), (640, 480), (960, 720), (1280, 720), (1920, 1080))
    slow_starts: bool = True

    @classmethod
    def quick(cls, **changes: object) -> Settings:
        """A few minutes on two processor cores: fewer rounds, the small variant, the lightest peers."""
        return cls(**{**_QUICK, **changes})

    @property
    def command(self) -> str:
        """Command that measures the same again."""
        usual = _DEFAULTS | (_QUICK if self.is_quick else {})
        words = ["mtl-perception benchmark", *(["--quick"] if self.is_quick else [])]
        options = ("model", "device", "precision", "backend", "rounds", "frames")
        words += [f"--{name} {value}" for name in options if (value := getattr(self, name)) != usual[name]]
        return " ".join([*words, f"--size {self.size[0]}x{self.size[1]} --threads {self.threads}"])


_DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}
_QUICK = {
    "is_quick": True,
    "rounds": 5,
    "frames": 25,
    "variants": ("lite",),
    "detectors": DETECTORS[:1],
    "segmenters": SEGMENTERS[:1],
    "cameras": (1, 2, 4),
    "sizes": ((640, 480), (1280, 960)),
    "slow_starts": False,
}
