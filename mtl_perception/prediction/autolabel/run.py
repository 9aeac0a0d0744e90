# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception autolabel``: pictures in, a data folder with a teacher's labels out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.unfinished import fingerprint
from mtl_perception.core.workers import Workers, in_order
from mtl_perception.data.errors import DataError
from mtl_perception.data.index_writer import IndexWriter
from mtl_perception.data.pixels import read_rgb
from mtl_perception.prediction.autolabel.agreement import confirmed_boxes
from mtl_perception.prediction.autolabel.answers import Answers
from mtl_perception.prediction.autolabel.folders import data_folders
from mtl_perception.prediction.autolabel.labels import LabelLists, labelled_entry
from mtl_perception.prediction.autolabel.looks import looked_at
from mtl_perception.prediction.autolabel.pictures import Pictures
from mtl_perception.prediction.autolabel.teachers import TASKS, Teacher, open_teacher


@dataclass(frozen=True)
class AutolabelOptions:
    """
    Attributes:
        tasks: to be labelled, of ``TASKS``; None: boxes and masks, where the teacher has them.
        score: least score of a box.
        views: so many views have to see an object where that many could; where poses are known.
        flip, scales: looks at each picture.
    """

    tasks: Sequence[str] | None = None
    score: float = 0.4
    views: int = 2
    flip: bool = True
    scales: Sequence[float] = (1.5,)

    def __post_init__(self) -> None:
        for task in self.tasks or ():
            if task not in TASKS:
                raise ValueError(f"'{task}' can't be labelled by a teacher; expected some of {', '.join(TASKS)}")
        if any(not 0.25 <= scale <= 4 for scale in self.scales):
            raise ValueError(f"scales are {', '.join(map(str, self.scales))}; expected numbers from 0.25 to 4")

    def tasks_of(self, teacher: Teacher) -> list[str]:
        """The tasks that ``teacher`` is asked for.

        Raises:
            DataError: it can't label one that is wanted, or none at all.
        """
        usual = [task for task in TASKS[:2] if task in teacher.labels] or list(teacher.labels)
        wanted = list(usual if self.tasks is None else self.tasks)
        missing = [task for task in wanted if task not in teacher.labels]
        if missing or not wanted:
            can = ", ".join(teacher.labels) or "none of " + ", ".join(TASKS)
            raise DataError(f"{teacher.name} can't label {', '.join(missing) or 'pictures'}; it says: {can}", "teacher")
        return wanted


@dataclass
class Report:
    """Counts of what was done.

    Attributes:
        pictures: that were looked at. nothing: of them, those left out, as neither people nor the teacher label anything in them.
        boxes: of the teacher that were added. unconfirmed: left out, as too few views see them.
        posed: pictures with a pose, whose boxes were looked for in other views.
    """

    pictures: int = 0
    boxes: int = 0
    unconfirmed: int = 0
    nothing: int = 0
    posed: int = 0


class _Look(NamedTuple):
    """A picture that a teacher is to look at, in whatever process."""

    teacher: str
    device: str
    image: Path
    size: tuple[int, int]
    intrinsics: Intrinsics | None
    flip: bool
    scales: Sequence[float]
    answers: Answers
    name: str


def autolabel(
    source: Path,
    teacher: str,
    out: Path,
    options: AutolabelOptions = AutolabelOptions(),
    device: str = "auto",
    workers: Workers = 1,
    on_start: Callable[[str, int | None], None] = lambda what, total: None,
    on_pictures: Callable[[int], None] = lambda count: None,
    on_kept: Callable[[int, int | None], None] = lambda done, total: None,
) -> Report:
    """Label the pictures of ``source``, a data folder, a bag or a folder of pictures, and write them as the data folder ``out``.

    Labels of people stay: boxes of classes that are labelled in a picture, masks and depth are not touched. The teacher's boxes have
    their ``score``, which is their weight in training. An interrupted call goes on.

    Args:
        teacher: as ``open_teacher`` takes it.
        workers: processes that look at pictures, each with a teacher of its own.
        on_start: told what is done and of how many pictures; ``on_pictures``: how many more are done.
        on_kept: told how many of how many pictures an earlier call has done, if there are any.

    Raises:
        DataError: the source can't be used, or the teacher has nothing to say of ``options.tasks``.
        ConfigError, CheckpointError, BackendError, FileNotFoundError: the teacher can't be used.
        OSError: a file could not be written, or a worker was killed again and again; what was done until then is kept.
    """
    if (out / "dataset.json").exists():
        raise DataError(f"{out} holds a data set already; choose another --out, or remove it", "exists")
    opened = open_teacher(teacher, device)
    tasks = options.tasks_of(opened)
    unfinished = out / "unfinished"
    folders = [Pictures.open(root) for root in data_folders(source, unfinished, workers, on_start, on_pictures, on_kept)]
    file = Path(teacher)
    looks = {
        "teacher": teacher,
        "file": fingerprint([file] if file.is_file() else []),
        "source": str(source.resolve()),
        "tasks": tasks,
        "flip": options.flip,
        "scales": list(options.scales),
    }
    answers = Answers.of_call(unfinished / "answers", looks)
    for folder in folders:
        on_start(f"{opened.name} looks at {folder.root.name}", len(folder.entries))
        if kept := sum(answers.has(folder.name(i)) for i in range(len(folder.entries))):
            on_kept(kept, len(folder.entries))
        for done in in_order(_look, _looks(folder, teacher, device, options, answers), workers):
            on_pictures(done)
    labels = LabelLists([folder.index.description for folder in folders], opened, tasks)
    report, entries = Report(), []
    for folder in folders:
        confirmed, unconfirmed, posed = confirmed_boxes(folder, answers, options.score, options.views)
        report.unconfirmed += unconfirmed
        report.posed += posed
        on_start(f"writing {folder.root.name}", len(folder.entries))
        for i in range(len(folder.entries)):
            entry, boxes = labelled_entry(folder, i, answers, confirmed[i], options.score, labels, out)
            report.pictures += 1
            report.boxes += boxes
            if entry is None:
                report.nothing += 1
            else:
                entries.append(entry)
            on_pictures(1)
    if not entries:
        raise DataError(f"{opened.name} labels nothing in the {report.pictures} pictures of {source}; try a lower --score", "empty")
    with IndexWriter(
        out, {**labels.lists, "generator": f"mtl_perception autolabel, teacher {opened.name}", "options": asdict(options)}
    ) as index:
        for entry in sorted(entries, key=lambda entry: entry["file_name"]):
            index.add(entry)
    shutil.rmtree(unfinished)
    return report


def _looks(folder: Pictures, teacher: str, device: str, options: AutolabelOptions, answers: Answers) -> Iterator[_Look]:
    for i, entry in enumerate(folder.entries):
        size = entry.width, entry.height
        yield _Look(
            teacher, device, folder.image_file(i), size, folder.intrinsics(i), options.flip, options.scales, answers, folder.name(i)
        )


def _look(look: _Look) -> int:
    """Ask the teacher, where nobody has; 1 picture is done then."""
    if not look.answers.has(look.name):
        teacher = open_teacher(look.teacher, look.device)
        image = read_rgb(look.image, *look.size)
        look.answers.keep(look.name, looked_at(teacher, image, look.intrinsics, look.flip, look.scales))
    return 1
