# SPDX-License-Identifier: Apache-2.0
"""Goes through the sections, keeps what is done, and goes on where an earlier run stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from mtl_perception.benchmark.bench import Bench, Measurement, Unavailable
from mtl_perception.benchmark.compared import first_line
from mtl_perception.benchmark.machine import describe_machine, load
from mtl_perception.benchmark.result import Report, load_report, save_report
from mtl_perception.benchmark.sections import backends, memory, node, peers, scaling, sharing, stages
from mtl_perception.benchmark.settings import BenchmarkError, Settings
from mtl_perception.core.interrupts import interruptions
from mtl_perception.core.progress import frame_progress

PLANS: dict[str, Callable[[Bench], list[Measurement]]] = {
    "stages": stages.plan,
    "node": node.plan,
    "sharing": sharing.plan,
    "peers": peers.plan,
    "backends": backends.plan,
    "memory": memory.plan,
    "cameras": scaling.plan_cameras,
    "resolution": scaling.plan_resolution,
}
"""One for each of ``SECTIONS``."""


def run(path: Path, settings: Settings, sections: tuple[str, ...], restart: bool, remark: str, console: Console) -> Report:
    """Measure what ``path`` does not hold yet, and write it after each part.

    Raises:
        BenchmarkError: ``path`` holds another benchmark's result.
        OSError: it can't be written; it is then as it was.
    """
    report = open_report(path, settings, restart)
    for section in sections if restart else ():
        report.drop(section)
    report.remark = remark or report.remark
    bench = Bench(settings, work_folder(path))
    planned = [(section, one) for section in sections for one in PLANS[section](bench)]
    left = [(section, one) for section, one in planned if not report.has(section, one.name)]
    if len(left) < len(planned):
        console.print(f"{len(planned) - len(left)} of {len(planned)} parts are in {path} already; --restart measures them again")
    done = 0
    with frame_progress(console, "benchmark", sum(one.steps for _, one in left)) as show:
        for section, one in left:
            before = done

            def on_step(label: str = f"{section}: {one.name}") -> None:
                nonlocal done
                done += 1
                show(done, label)

            show(done, f"{section}: {one.name}")
            _measure(report, section, one, on_step)
            save_report(path, report)
            done = before + one.steps
        show(done, "")
    return report


def work_folder(path: Path) -> Path:
    """Where networks that are made for the benchmark are kept, and what backends convert them to, instead of in the
    user's cache. It may be deleted at any time."""
    folder = path.parent / "work"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(folder)  # for the processes that are started, too
    return folder


def open_report(path: Path, settings: Settings, restart: bool) -> Report:
    """The report so far, if it is of the same settings and machine; a new one if there is none.

    Args:
        restart: begin anew where there is one of other settings or of another machine.

    Raises:
        BenchmarkError: there is one that can't be gone on with.
    """
    new = Report(
        package_version=version("mtl-perception"),
        command=settings.command,
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        machine=describe_machine(),
        settings=settings,
    )
    if not path.exists():
        return new
    try:
        old = load_report(path)
    except BenchmarkError:
        if restart:
            return new
        raise
    for part in ("settings", "machine"):
        before, now = getattr(old, part).model_dump(), getattr(new, part).model_dump()
        changed = [f"{key} {before[key]} then, {now[key]} now" for key in now if before[key] != now[key]]
        if changed and restart:
            return new
        if changed:
            raise BenchmarkError(
                f"{path} is a benchmark with other {part} ({'; '.join(changed)}); give another --out, or --restart to replace it"
            )
    return old


def _measure(report: Report, section: str, one: Measurement, on_step: Callable[[], None]) -> None:
    before, started_s = load(), time.monotonic()
    try:
        with interruptions():
            part = one.run(on_step)
    except Unavailable as error:
        report.miss(section, one.name, first_line(error))
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        # The other parts are worth as much without this one.
        report.miss(section, one.name, f"failed: {first_line(error)}")
    else:
        took = {"load": (before, load()), "seconds": round(time.monotonic() - started_s, 1)}
        report.add(section, one.name, part.model_copy(update=took))
