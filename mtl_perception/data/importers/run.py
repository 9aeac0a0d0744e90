# SPDX-License-Identifier: Apache-2.0
"""A whole import: from a source of any format to one data folder, or to one for each side of a split.

The new pictures and labels are written chunk by chunk; the index comes last. A folder without an index is an import that is
not finished: the same call goes on with it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mtl_perception.core.files import write_json
from mtl_perception.core.unfinished import fingerprint, settings_in
from mtl_perception.core.workers import Workers
from mtl_perception.data.format import TASKS, DataError
from mtl_perception.data.importers.archive import is_archive, unpack
from mtl_perception.data.importers.chunks import convert_all, entries, summaries
from mtl_perception.data.importers.class_map import ClassMap, lanes_table, segmentation_table
from mtl_perception.data.importers.convert import Job, Plan
from mtl_perception.data.importers.duplicates import same_or_near
from mtl_perception.data.importers.image_file import has_picture_suffix
from mtl_perception.data.importers.labelled import Labelled, Notes
from mtl_perception.data.importers.names import Grouping, Stems, merged_groups, shared_folders
from mtl_perception.data.importers.registry import Format, read_source
from mtl_perception.data.index_writer import IndexWriter
from mtl_perception.data.split import split_groups

STATE = "import"
"""Folder of what an unfinished import has done; gone when it is finished."""
REPORT = "import.json"
DUPLICATES = ("group", "drop", "keep")


@dataclass(frozen=True)
class Settings:
    """How a data set is imported.

    Attributes:
        format: a name of ``registry.FORMATS``, or "auto".
        options: settings of that format.
        classes: class map.
        tasks: kinds of labels that are wanted; None: all that there are.
        exhaustive: classes (names here) of which each picture has all objects labelled; None: as the format says, else all.
        is_exhaustive_strict: each of these must be a class of the set; a recipe names those that a whole set has.
        group: rule of ``names.Grouping``.
        split: side → share of the groups, such as {"val": 0.1}; the rest is "train". {"own": 1}: as the source is split.
        duplicates: "group": pictures that are alike stay on one side of a split; "drop": exact copies are left out too;
            "keep": neither is looked at.
        camera: fx, fy, cx, cy of pictures without.
        rescale: labels of another picture size are scaled.
        seed: of splits.
        skip_broken: pictures that can't be used are left out and listed.
    """

    format: str
    options: Mapping[str, str] = field(default_factory=dict)
    classes: ClassMap = ClassMap()
    tasks: tuple[str, ...] | None = None
    exhaustive: tuple[str, ...] | None = None
    is_exhaustive_strict: bool = True
    group: str = "source"
    split: Mapping[str, float] = field(default_factory=dict)
    duplicates: str = "group"
    camera: tuple[float, float, float, float] | None = None
    rescale: bool = False
    seed: int = 0
    skip_broken: bool = False

    def __post_init__(self) -> None:
        Grouping(self.group, Notes())  # refuses what is no rule
        unknown = set(self.tasks or ()) - set(TASKS)
        if unknown:
            raise ValueError(f"--tasks lists {', '.join(sorted(unknown))}, expected some of {', '.join(TASKS)}")
        if self.duplicates not in DUPLICATES:
            raise ValueError(f"--duplicates is '{self.duplicates}', expected one of {', '.join(DUPLICATES)}")
        if "train" in self.split or (sum(self.split.values()) >= 1 and "own" not in self.split):
            raise ValueError(f"--split is {dict(self.split)}, expected shares of the other sides than train, less than 1 together")


@dataclass
class Report:
    """The result of an import.

    Attributes:
        format: name of the format that was read.
        folders: data folders that were written.
        images, boxes: how many; ``tasks``: images by task; ``sides``: images by side of the split.
        notes: what was left out or changed, one line a kind.
        problems: pictures that could not be used.
        alike: sets of pictures that are the same or nearly so; at most 20 of them, and their number.
        was_complete: the import had been finished by an earlier call.
    """

    format: str
    folders: list[str]
    images: int = 0
    boxes: int = 0
    tasks: dict[str, int] = field(default_factory=dict)
    sides: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    alike: list[list[str]] = field(default_factory=list)
    alike_count: int = 0
    was_complete: bool = False


class BrokenPictures(DataError):
    """Some pictures can't be used; what could be is kept for the next call."""

    def __init__(self, problems: list[str], out: Path) -> None:
        self.problems = problems
        shown = "".join(f"\n  {problem}" for problem in problems[:10])
        more = f"\n  and {len(problems) - 10} more, all in {out / STATE / 'problems.txt'}" if len(problems) > 10 else ""
        super().__init__(
            f"{len(problems)} picture{'s' * (len(problems) > 1)} can't be used:{shown}{more}\n"
            "Fix them and run it again (the import resumes), or give --skip-broken to leave them out",
            "broken pictures",
        )


def import_data(
    source: Path,
    out: Path,
    settings: Settings,
    workers: Workers = 1,
    on_start: Callable[[str, int | None], None] = lambda what, total: None,
    on_pictures: Callable[[int], None] = lambda count: None,
    on_kept: Callable[[int, int | None], None] = lambda done, total: None,
) -> Report:
    """Import the data set at ``source`` into ``out``. Goes on where an earlier call with the same settings was cut off.

    Args:
        source: a folder, a file, or a zip archive.
        out: folder of the data set; with a split, of one data set for each side.
        on_start: told what is done and of how many pictures; ``on_pictures``: how many more are done.
        on_kept: told how many of how many pictures an earlier call has done, if there are any.

    Raises:
        DataError: the source can't be read as this format, or ``out`` holds something else; BrokenPictures: some pictures
            can't be used.
        OSError: a file could not be written; what was done until then is kept.
    """
    source, out = Path(source), Path(out)
    if not source.exists():
        raise DataError(f"{source} does not exist", "missing")
    state = out / STATE
    complete = _claim(source, out, settings)
    if complete is not None:
        return complete
    on_start("reading", None)
    try:
        opened = unpack(source, state / "unpacked") if is_archive(source) else source
        chosen, labelled = read_source(settings.format, opened, dict(settings.options))
        plan = _plan(labelled, out, settings)
    except BaseException:
        _unclaim(out)
        raise
    for left in state.glob("*.broken.json"):
        left.unlink()
    total = labelled.total if labelled.total is not None else len(labelled.pictures)  # type: ignore[arg-type]
    on_start("importing", total)
    if kept := sum(len(chunk.pictures) for chunk in summaries(state)):
        on_kept(kept, total)
    sides: dict[str, str] = {}
    jobs = _jobs(labelled, settings, sides)
    problems = convert_all(jobs, plan, state, workers, on_pictures)
    if problems and not settings.skip_broken:
        (state / "problems.txt").write_text("\n".join(problems) + "\n", encoding="utf-8")
        raise BrokenPictures(problems, out)
    report = _finish(chosen, labelled, plan, settings, out, sides, source)
    report.problems = problems
    write_json(out / REPORT, {"settings": _fingerprint(source, settings), **asdict(report)})
    shutil.rmtree(state)
    return report


# ---------------------------------------------------------------------------------------------------------------------
# Before


def _claim(source: Path, out: Path, settings: Settings) -> Report | None:
    """Notes the settings in the folder, or checks that those of an earlier call agree; its report if it was finished."""
    wanted = _fingerprint(source, settings)
    if (out / REPORT).exists():
        content = json.loads((out / REPORT).read_bytes())
        _check_same(content.pop("settings"), wanted, out)
        return Report(**{**content, "was_complete": True})
    if (out / "dataset.json").exists():
        raise DataError(f"{out} holds a data set already; choose another folder", "taken")
    begun = settings_in(out / STATE)
    if begun is not None:
        _check_same(begun, wanted, out)
    else:
        if out.exists() and any(out.iterdir()):
            raise DataError(f"{out} is not empty; choose another folder for the new data set", "taken")
        write_json(out / STATE / "settings.json", wanted)
    return None


def _unclaim(out: Path) -> None:
    """Leave nothing behind of an import that did not begin."""
    if not any((out / STATE).glob("chunk*.json")):
        shutil.rmtree(out / STATE, ignore_errors=True)
        if out.is_dir() and not any(out.iterdir()):
            out.rmdir()


def _check_same(found: Mapping[str, Any], wanted: Mapping[str, Any], out: Path) -> None:
    differing = [key for key in wanted if found.get(key) != wanted[key]]
    if differing:
        named = ", ".join(f"{key} {str(found.get(key))[:60]!r}" for key in differing)
        raise DataError(
            f"{out} holds an import of other settings or of a source that has changed ({named}); choose another folder or delete it",
            "taken",
        )


def _fingerprint(source: Path, settings: Settings) -> dict[str, Any]:
    """Returns what must be the same for an import to go on."""
    values = asdict(settings) | {"classes": settings.classes.model_dump()}
    values.pop("skip_broken")
    return json.loads(json.dumps({"source": str(source.resolve()), "content": _label_files(source), **values}))


def _label_files(source: Path) -> str:
    """Changes when a label file is changed. Pictures may be mended meanwhile."""
    if source.is_file():
        files = [] if has_picture_suffix(source.name) else [source]
    else:
        files = [Path(f) / n for f, _, names in sorted(os.walk(source)) for n in sorted(names) if not has_picture_suffix(n)]
    return fingerprint(files)


def _plan(labelled: Labelled, out: Path, settings: Settings) -> Plan:
    names = settings.classes
    everything = [
        *labelled.detection_labels, *labelled.segmentation_labels, *labelled.classification_labels, *labelled.lanes_labels,
    ]  # fmt: skip
    for text in names.unknown(everything):
        labelled.notes.add("classes of the class map that the source does not have", text)
    tasks = frozenset(settings.tasks or TASKS)
    for task in ("detection", "segmentation", "classification", "lanes"):
        own = getattr(labelled, f"{task}_labels")
        if own and task in tasks and not names.targets(own):
            labelled.notes.add(f"labels for {task}: the class map drops all of their classes", own[0])
            tasks -= {task}
    detection = names.targets(labelled.detection_labels)
    segmentation = names.targets(labelled.segmentation_labels) if "segmentation" in tasks else []
    instance_ids = None
    if settings.tasks is not None and "segmentation" in tasks and not labelled.segmentation_labels:
        segmentation = detection
        instance_ids = {name: i for i, name in enumerate(detection)}
    if settings.exhaustive is not None:
        unknown = sorted(set(settings.exhaustive) - set(detection))
        if unknown and settings.is_exhaustive_strict:
            raise DataError(
                f"--exhaustive lists {', '.join(unknown)}, expected classes of the new data set: {', '.join(detection)}", "unknown class"
            )
    source_ids = labelled.segmentation_labels if instance_ids is None else []
    return Plan(
        out,
        tasks,
        names,
        labelled.detection_labels,
        detection,
        segmentation_table(source_ids, segmentation, names),
        instance_ids,
        lanes_table(labelled.lanes_labels, names.targets(labelled.lanes_labels), names),
        None if settings.exhaustive is None else list(settings.exhaustive),
        settings.camera,
        settings.rescale,
        keeps_unlabelled=labelled.keeps_unlabelled,
    )


def _jobs(labelled: Labelled, settings: Settings, sides: dict[str, str]) -> Iterator[Job]:
    stems, grouping = Stems(labelled.notes), Grouping(settings.group, labelled.notes)
    pictures, shared = labelled.pictures, 0
    if isinstance(pictures, list):
        pictures = sorted(pictures, key=lambda picture: picture.name)
        shared = shared_folders([picture.name for picture in pictures])
    for picture in pictures:
        stem = stems.of(picture, shared)
        if picture.side is not None:
            sides[stem] = picture.side
        yield Job(picture, stem, grouping.of(picture, stem))


# ---------------------------------------------------------------------------------------------------------------------
# After


def _finish(chosen: Format, labelled: Labelled, plan: Plan, settings: Settings, out: Path, sides: dict[str, str], source: Path) -> Report:
    notes, boxes, state = labelled.notes, 0, out / STATE
    names: list[str] = []
    groups: list[str] = []
    digests: list[str] = []
    hashes: list[int | None] = []
    tasks: Counter[str] = Counter()
    for chunk in summaries(state):
        notes.merge(chunk.notes, chunk.examples)
        for name, group, kinds, count, digest, value in chunk.pictures:
            names.append(name)
            groups.append(group)
            digests.append(digest)
            hashes.append(value)
            tasks.update(kinds)
            boxes += count
    if not names and (out / "unlabelled").is_dir():
        return Report(chosen.name, [str(out / "unlabelled")], notes=notes.lines())
    if not names:
        raise DataError(f"{source} has no picture with a label that is wanted" + "".join(f"\n  {line}" for line in notes.lines()), "empty")
    alike = [] if settings.duplicates == "keep" else same_or_near(digests, hashes)
    merged = merged_groups(groups, alike)
    dropped = _copies(alike, digests) if settings.duplicates == "drop" else set()
    for i in dropped:
        notes.add("exact copies of other pictures, left out (--duplicates drop)", names[i])
    side_of = _sides(names, groups, merged, settings, sides, source)
    if "own" in settings.split:
        for members in alike:
            if len({side_of[names[i]] for i in members}) > 1:
                notes.add(
                    "sets of pictures that are alike and on several sides of the source's own split",
                    " and ".join(names[i] for i in members[:2]),
                )

    description = _description(chosen, labelled, plan, settings, source)
    left_out = {names[i] for i in dropped}
    folders: list[str] = []
    counts: Counter[str] = Counter()
    for side in sorted(set(side_of.values())):
        root = out / side if side else out
        with IndexWriter(root, description) as index:
            for entry in entries(state):
                name = entry["file_name"]
                if side_of[name] != side or name in left_out:
                    continue
                if side:
                    _move(out, root, name, entry["tasks"])
                entry["group"] = merged.get(entry["group"], entry["group"])
                index.add(entry)
                counts[side] += 1
        folders.append(str(root))
    for name in left_out:
        _remove(out, name)
    for folder in ("images", "semantic", "depth", "lanes") if any(side_of.values()) else ():
        shutil.rmtree(out / folder, ignore_errors=True)
    return Report(
        chosen.name,
        folders,
        len(names) - len(left_out),
        boxes,
        dict(tasks),
        dict(counts),
        notes.lines(),
        alike=[[names[i] for i in members[:5]] for members in alike[:20]],
        alike_count=len(alike),
    )


def _copies(alike: list[list[int]], digests: list[str]) -> set[int]:
    """All but the first of each set of files with the same content."""
    seen: set[str] = set()
    copies = set()
    for i in sorted(i for members in alike for i in members):
        if digests[i] in seen:
            copies.add(i)
        seen.add(digests[i])
    return copies


def _sides(
    names: list[str], groups: list[str], merged: Mapping[str, str], settings: Settings, own: Mapping[str, str], source: Path
) -> dict[str, str]:
    """File name → side of the split; "" without one."""
    if not settings.split:
        return dict.fromkeys(names, "")
    if "own" in settings.split:
        return {name: own.get(str(Path(name).with_suffix("")), "train") for name in names}
    joined = [merged.get(group, group) for group in groups]
    side_of_group: dict[str, str] = {}
    left, rest = 1.0, set(joined)
    for side, share in settings.split.items():
        for group in split_groups(rest, share / left, settings.seed, str(source)):
            side_of_group[group] = side
        rest -= side_of_group.keys()
        left -= share
    return {name: side_of_group.get(group, "train") for name, group in zip(names, joined, strict=True)}


def _description(chosen: Format, labelled: Labelled, plan: Plan, settings: Settings, source: Path) -> dict[str, Any]:
    names = settings.classes
    classification = names.targets(labelled.classification_labels) if "classification" in plan.tasks else []
    lanes = names.targets(labelled.lanes_labels) if "lanes" in plan.tasks else []
    segmentation = (
        list(plan.instance_ids) if plan.instance_ids is not None
        else names.targets(labelled.segmentation_labels) if "segmentation" in plan.tasks else []
    )  # fmt: skip
    description: dict[str, Any] = {
        "segmentation_labels": segmentation,
        "detection_labels": plan.detection_labels if "detection" in plan.tasks else [],
    }
    if classification:
        description["classification_labels"] = classification
    if lanes:
        description["lanes_labels"] = lanes
    description |= {key: told for key, told in (("source", labelled.source), ("license", labelled.license)) if told}
    return description | {"imported": {"format": chosen.name, "source": source.name, **labelled.origin}}


def _files(root: Path, name: str, tasks: list[str]) -> Iterator[Path]:
    label = Path(name).with_suffix(".png")
    yield Path("images") / name
    for folder, task in (("semantic", "segmentation"), ("depth", "depth"), ("lanes", "lanes")):
        if task in tasks:
            yield Path(folder) / label


def _move(out: Path, root: Path, name: str, tasks: list[str]) -> None:
    """Into the folder of a split's side. A call that was cut off may have done it already."""
    for file in _files(out, name, tasks):
        if (out / file).exists():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (out / file).replace(root / file)


def _remove(out: Path, name: str) -> None:
    for file in _files(out, name, list(TASKS)):
        (out / file).unlink(missing_ok=True)
