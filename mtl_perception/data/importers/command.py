# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception import``: options as they are typed, and the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from mtl_perception.core.terminal_table import TerminalTable
from mtl_perception.core.workers import Workers
from mtl_perception.data.importers.class_map import read_class_map
from mtl_perception.data.importers.recipes import find_recipe
from mtl_perception.data.importers.registry import FORMATS
from mtl_perception.data.importers.run import Report, Settings, import_data

_SHOWN_ALIKE = 3


def list_formats(console: Console) -> None:
    table = TerminalTable(["format", "what it is"], figures=False)
    for entry in FORMATS:
        table.add_row(entry.name, entry.title)
    table.add_row("auto", "the one that the source looks like")
    console.print(table)


def import_command(
    name: str,
    source: Path,
    out: Path,
    values: dict[str, Any],
    workers: Workers,
    on_start: Callable[[str, int | None], None],
    on_pictures: Callable[[int], None],
    on_kept: Callable[[int, int | None], None] = lambda done, total: None,
) -> Callable[[Console], None]:
    """Import as ``run.import_data`` does; gives what shows the report.

    Raises:
        ValueError: an option can't be understood; and as ``run.import_data``.
    """
    settings = _settings(name, values)
    report = import_data(source, out, settings, workers, on_start, on_pictures, on_kept)
    return lambda console: show(report, source, console)


def _settings(name: str, values: dict[str, Any]) -> Settings:
    camera = values["camera"]
    if camera is not None:
        numbers = _numbers(camera, "--camera")
        if len(numbers) != 4:
            raise ValueError(f"--camera is '{camera}', expected four numbers FX,FY,CX,CY in pixels")
        camera = tuple(numbers)
    settings = Settings(
        format=name,
        options=dict(_pair(text, "--set") for text in values["options"]),
        classes=read_class_map(values["classes"]),
        tasks=_names(values["tasks"]),
        exhaustive=_names(values["exhaustive"]),
        group=values["group"],
        split=_split(values["split"]),
        duplicates=values["duplicates"],
        camera=camera,
        rescale=values["rescale"],
        seed=values["seed"],
        skip_broken=values["skip_broken"],
    )
    if values["recipe"] is None:
        return settings
    recipe = find_recipe(values["recipe"])
    if name not in (recipe.format, "auto"):
        raise ValueError(f"recipe {recipe.name} is for the format {recipe.format}, not {name}")
    return dataclasses.replace(
        settings,
        format=recipe.format,
        options={**recipe.options, **settings.options},
        classes=settings.classes if values["classes"] is not None else recipe.classes,
        exhaustive=settings.exhaustive if settings.exhaustive is not None else recipe.exhaustive,
        is_exhaustive_strict=settings.exhaustive is not None,
        group=settings.group if settings.group != "source" else recipe.group,
    )


def _pair(text: str, option: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise ValueError(f"{option} is '{text}', expected NAME=VALUE")
    return key.strip(), value


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} is '{text}', expected numbers with commas") from None


def _split(text: str | None) -> dict[str, float]:
    if text is None:
        return {}
    if text == "own":
        return {"own": 1.0}
    pairs = dict(_pair(part, "--split") for part in text.split(","))
    shares = {side: _numbers(share, "--split")[0] for side, share in pairs.items()}
    if not all(0 < share < 1 for share in shares.values()):
        raise ValueError(f"--split is '{text}', expected shares between 0 and 1, such as val=0.1,test=0.1, or own")
    return shares


def show(report: Report, source: Path, console: Console) -> None:
    """Prints what was brought, and everything that was not."""

    def say(text: str, style: str | None = None) -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    if report.was_complete:
        say(f"{', '.join(report.folders)}: imported already, nothing to do", "green")
        return
    table = TerminalTable(["", ""], title=f"{source} ({report.format})", figures=False, header=False)
    table.add_row("images", str(report.images))
    for task, count in report.tasks.items():
        table.add_row(f"with {task}", str(count))
    table.add_row("boxes", str(report.boxes))
    for side, count in report.sides.items():
        if side:
            table.add_row(f"in {side}/", str(count))
    if report.alike_count:
        table.add_row("alike or the same", f"{report.alike_count} sets of pictures")
    console.print(table)
    for members in report.alike[:_SHOWN_ALIKE]:
        say(f"  alike: {', '.join(members)}", "dim")
    for line in report.notes:
        say(f"  {line}", "yellow")
    for line in report.problems[:10]:
        say(f"  left out: {line}", "red")
    if len(report.problems) > 10:
        say(f"  and {len(report.problems) - 10} more, all in import.json", "red")
    say(f"{', '.join(report.folders)}: done; 'mtl-perception check' reads it all once more", "green")
