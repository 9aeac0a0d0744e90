# SPDX-License-Identifier: Apache-2.0
"""The result of a benchmark: one JSON file, written after each part."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mtl_perception.benchmark.settings import SECTIONS, BenchmarkError, Settings
from mtl_perception.core.files import write_atomically
from mtl_perception.core.validation_text import problems

FORMAT_VERSION = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Timing(_Strict):
    """Milliseconds of one contender, over ``count`` frames."""

    count: int
    least_ms: float
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float


class Ratio(_Strict):
    """One contender in times of another.

    Attributes:
        median, low, high: of the rounds' own ratios, with the quartiles.
        of_least: between the least values of both, which other work on the machine disturbs least.
        target: key in ``targets.TARGETS``.
    """

    name: str
    median: float
    low: float
    high: float
    of_least: float
    target: str | None = None


class Arm(_Strict):
    """One contender that was measured.

    Attributes:
        facts: device, precision, backend, input, batch, threads and the like, in words.
        total: from the image to the answers; over DDS from the camera's publish() to the last answer's arrival.
        stages: parts of it.
        images: that one turn works on.
        processor_ms: median over the turns of the time of all processor cores.
        peak_mib: largest memory of a fresh process, or on a GPU what torch had allocated there.
        before_mib: of the same process with all libraries loaded, before there was a network.
        answered: share of the frames sent that were answered.
    """

    facts: dict[str, str] = Field(default_factory=dict)
    total: Timing | None = None
    stages: dict[str, Timing] = Field(default_factory=dict)
    images: int = 1
    processor_ms: float | None = None
    peak_mib: float | None = None
    before_mib: float | None = None
    answered: float | None = None

    @property
    def images_per_s(self) -> float | None:
        """Throughput, one turn after the other."""
        return None if self.total is None else 1e3 * self.images / self.total.mean_ms


class Part(_Strict):
    """Contenders that were measured side by side.

    Attributes:
        missing: what could not be measured, and why.
        load: of the machine, one-minute averages before and after, in processors that had work.
        seconds: that measuring it took.
    """

    title: str
    arms: dict[str, Arm]
    ratios: list[Ratio] = Field(default_factory=list)
    missing: dict[str, str] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    load: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0


class Machine(_Strict):
    """The machine it ran on."""

    processor: str
    instructions: list[str]
    cores: int
    memory_gib: float
    gpu: str | None = None
    system: str
    versions: dict[str, str]


class Report(_Strict):
    """One benchmark.

    Attributes:
        parts: section → part → what was found.
        missing: "section" or "section: part" that could not be measured, and why.
        remark: of whoever ran it, such as what else the machine had to do.
    """

    format_version: int = FORMAT_VERSION
    package_version: str
    command: str
    date: str
    machine: Machine
    settings: Settings
    parts: dict[str, dict[str, Part]] = Field(default_factory=dict)
    missing: dict[str, str] = Field(default_factory=dict)
    remark: str = ""

    def add(self, section: str, name: str, part: Part) -> None:
        """Take in a part; sections stay in their order, whenever they were measured."""
        self.parts.setdefault(section, {})[name] = part
        self.parts = {known: self.parts[known] for known in SECTIONS if known in self.parts}
        self.missing.pop(_key(section, name), None)

    def miss(self, section: str, name: str, reason: str) -> None:
        """Say why there is no such part."""
        self.missing[_key(section, name)] = reason

    def drop(self, section: str) -> None:
        """Forget a section."""
        self.parts.pop(section, None)
        self.missing = {key: reason for key, reason in self.missing.items() if key.partition(":")[0] != section}

    def has(self, section: str, name: str) -> bool:
        """Whether the part was measured."""
        return name in self.parts.get(section, {})

    def ratio(self, target: str) -> Ratio | None:
        """The ratio that a target is about, if it was measured."""
        parts = (part for section in self.parts.values() for part in section.values())
        return next((one for part in parts for one in part.ratios if one.target == target), None)


def _key(section: str, name: str) -> str:
    return section if name == section else f"{section}: {name}"


def save_report(path: Path, report: Report) -> None:
    """Write the report, whole or not at all.

    Raises:
        OSError: it can't be written; what was there before is kept.
    """
    write_atomically(path, (report.model_dump_json(indent=1, exclude_none=True) + "\n").encode())


def load_report(path: Path) -> Report:
    """Read what ``save_report`` wrote.

    Raises:
        BenchmarkError: the file is missing or no result of a benchmark.
    """
    try:
        return Report.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BenchmarkError(f"{path} can't be read: {error.strerror}") from error
    except ValidationError as error:
        raise BenchmarkError(f"{path} is no result of this version's benchmark: {problems(error, Report)}") from None
