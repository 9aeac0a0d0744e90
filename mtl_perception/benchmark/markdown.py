# SPDX-License-Identifier: Apache-2.0
"""Results as a page of Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mtl_perception.benchmark.result import Arm, Part, Ratio, Report, Timing
from mtl_perception.benchmark.settings import SECTIONS
from mtl_perception.benchmark.targets import TARGETS, TIME_TARGETS
from mtl_perception.reporting.numbers import NONE, fixed
from mtl_perception.reporting.tables import markdown as table
from mtl_perception.reporting.tables import verdict

TITLES = {
    "stages": "The engine, stage by stage",
    "node": "The node, over DDS",
    "sharing": "One multi-task network against three single-task networks",
    "peers": "Against torchvision's networks",
    "backends": "Backends and precisions",
    "memory": "Peak memory",
    "cameras": "Number of cameras",
    "resolution": "Resolution",
}
EXPLANATIONS = {
    "stages": "From a camera's image in memory to boxes, mask and depth in memory, at the resolution of the image.",
    "node": "The node runs in one process; a camera and a subscriber to boxes, mask and depth in another. The total is from the camera's "
    "`publish()` to the arrival of the last of the three; the stages are those of the node's `~/status`. "
    "One at a time: the next frame is sent when the last one was answered. Camera: frames come at a fixed rate, and the node "
    "drops those that it has no time for.",
    "sharing": "The single-task networks have the same encoder, neck and head as the multi-task one. Times are of the whole engine, "
    "preprocessing and decoding included.",
    "peers": "Every row is timed alone; the ratios are of sums, round by round.",
    "backends": "The same network and the same outputs; times are of the whole engine.",
    "memory": "Peak resident memory of a fresh process that loads the network and runs three frames, beside that of the "
    "libraries alone. On a GPU: what PyTorch had allocated there.",
    "cameras": "The images of all cameras are handed to the engine at once.",
    "resolution": "At the model's own input size, the image is shrunk and the outputs are upsampled; otherwise the network sees every pixel.",
}


def chapter(report: Report, charts: Mapping[str, str]) -> Iterator[str]:
    """Paragraphs about one machine; ``charts`` holds section → path of a chart."""
    yield f"## {report.machine.gpu or report.machine.processor}, {report.settings.size[0]}×{report.settings.size[1]}"
    yield " ".join(_conditions(report))
    yield f"```bash\n{report.command}\n```"
    if rows := _target_rows(report):
        yield "### Targets"
        yield (
            "What is compared ran in turns in one process, and each round gives a ratio: shown are the median and the quartiles over "
            "rounds, and the ratio of the minima, which other load on the machine disturbs least."
        )
        yield table(rows)
    for section in SECTIONS:
        if section in report.parts:
            yield from _section(section, report.parts[section], charts.get(section))
    if report.missing:
        yield "### Not measured"
        yield "\n".join(f"- {what}: {reason}" for what, reason in report.missing.items())


def _conditions(report: Report) -> Iterator[str]:
    machine, settings = report.machine, report.settings
    sets = f" ({', '.join(machine.instructions)})" if machine.instructions else ""
    gpu = f", {machine.gpu}" if machine.gpu else ""
    yield f"{machine.processor}{sets}, {machine.cores} cores, {machine.memory_gib:g} GiB{gpu}; {machine.system}."
    yield ", ".join(f"{library} {found}" for library, found in machine.versions.items()) + "."
    threads = "1 CPU thread" if settings.threads == 1 else f"{settings.threads} CPU threads"
    yield (f"{threads}, images of {settings.size[0]}×{settings.size[1]}, version {report.package_version}, {report.date}.")
    loads = [share for parts in report.parts.values() for part in parts.values() for share in part.load]
    if loads:
        yield f"Load of the machine, this benchmark included: {min(loads):.1f} to {max(loads):.1f} busy cores."
    if report.remark:
        yield report.remark


def _target_rows(report: Report) -> list[list[str]]:
    rows = [["", "target", "median", "quartiles", "of minima", ""]]
    for key, target in TARGETS.items():
        found = report.ratio(key)
        limit = target.limit("cuda" if report.machine.gpu and report.settings.device != "cpu" else "cpu")
        if found is not None and limit is not None:
            rows.append([target.words, f"≤ {fixed(limit, 2)}", *ratio_cells(found), verdict(found.median <= limit)])
    for target in TIME_TARGETS:
        timing = _timing(report, target.section, target.arm)
        if timing is not None and target.gpu in (report.machine.gpu or "") and report.settings.size == (640, 480):
            ms = getattr(timing, target.percentile)
            rows.append([target.words, f"≤ {target.limit_ms:g} ms", fixed(ms, 2, "ms"), NONE, NONE, verdict(ms <= target.limit_ms)])
    return rows if len(rows) > 1 else []


def _timing(report: Report, section: str, arm: str) -> Timing | None:
    """Of the first part of the section that has such an arm."""
    parts = report.parts.get(section, {}).values()
    return next((part.arms[arm].total for part in parts if arm in part.arms), None)


def _section(section: str, parts: Mapping[str, Part], chart: str | None) -> Iterator[str]:
    yield f"### {TITLES[section]}"
    yield EXPLANATIONS[section]
    if chart:
        yield f"![{TITLES[section]}]({chart})"
    for part in parts.values():
        if len(parts) > 1:
            yield f"#### {part.title}"
        common, rows = arm_rows(part.arms)
        if common:
            yield f"{common}."
        yield table(rows)
        if stages := stage_rows(part.arms):
            yield "Milliseconds of each stage, p50 / p90 / p99:"
            yield table(stages)
        if part.ratios:
            head = ["ratio", "median", "quartiles", "of minima"]
            yield table([head, *([one.name, *ratio_cells(one)] for one in part.ratios)])
        if part.notes:
            yield "\n".join(f"- {note}" for note in part.notes)
        if part.missing:
            yield "Not measured: " + "; ".join(f"{name} ({reason})" for name, reason in part.missing.items()) + "."


def arm_rows(arms: Mapping[str, Arm]) -> tuple[str, list[list[str]]]:
    """Returns what all arms have in common, in words; and a row for each with what differs and what was measured."""
    keys = dict.fromkeys(key for arm in arms.values() for key in arm.facts)
    values = {key: {arm.facts.get(key, "") for arm in arms.values()} for key in keys}
    common = ", ".join(f"{key} {next(iter(found))}" for key, found in values.items() if len(found) == 1)
    differing = [key for key, found in values.items() if len(found) > 1]
    columns = [column for column in _COLUMNS if any(column.of(arm) is not None for arm in arms.values())]
    rows = [["", *differing, *(column.head for column in columns)]]
    for name, arm in arms.items():
        cells = [fixed(value, column.digits) for column in columns for value in [column.of(arm)]]
        rows.append([name, *(arm.facts.get(key, NONE) for key in differing), *cells])
    return common, rows


class _Column(NamedTuple):
    head: str
    of: Callable[[Arm], float | None]
    digits: int = 1


def _total(name: str) -> Callable[[Arm], float | None]:
    return lambda arm: arm.total and getattr(arm.total, name)


_COLUMNS = (
    _Column("p50 ms", _total("p50_ms")),
    _Column("p90 ms", _total("p90_ms")),
    _Column("p99 ms", _total("p99_ms")),
    _Column("min ms", _total("least_ms")),
    _Column("runs", _total("count"), 0),
    _Column("CPU ms", lambda arm: arm.processor_ms),
    _Column("images/s", lambda arm: arm.images_per_s if arm.answered is None else None),
    _Column("answered %", lambda arm: None if arm.answered is None else 100 * arm.answered, 0),
    _Column("peak MiB", lambda arm: arm.peak_mib, 0),
    _Column("libraries MiB", lambda arm: arm.before_mib, 0),
)


def stage_rows(arms: Mapping[str, Arm]) -> list[list[str]]:
    """One row an arm, one column a stage; nothing if no arm has stages."""
    stages = list(dict.fromkeys(stage for arm in arms.values() for stage in arm.stages))
    rows = [[name, *(_stage_cell(arm.stages.get(stage)) for stage in stages)] for name, arm in arms.items() if arm.stages]
    return [["", *stages], *rows] if rows else []


def _stage_cell(timing: Timing | None) -> str:
    if timing is None:
        return NONE
    return " / ".join(fixed(ms, 2 if ms < 10 else 1) for ms in (timing.p50_ms, timing.p90_ms, timing.p99_ms))


def ratio_cells(ratio: Ratio) -> Sequence[str]:
    """Median, quartiles and the ratio of the least values."""
    spread = f"{fixed(ratio.low, 2)} to {fixed(ratio.high, 2)}" if ratio.high > ratio.low else NONE
    return fixed(ratio.median, 2), spread, fixed(ratio.of_least, 2)
