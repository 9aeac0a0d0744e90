# SPDX-License-Identifier: Apache-2.0
"""A whole export: a data folder in another format, and what of it that format can't hold."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_perception.core.workers import Workers, in_order
from mtl_perception.data.by_name import find_by_name
from mtl_perception.data.exporters.item import Labels, item_of, lost
from mtl_perception.data.exporters.registry import FORMATS, Format
from mtl_perception.data.format import DataError
from mtl_perception.data.importers import own
from mtl_perception.data.importers.labelled import Notes, Picture

_PICTURES = 32


@dataclass(frozen=True)
class Export:
    """The result of an export. ``images``: how many were written. ``lost``: what the format can't hold, one line a kind."""

    format: str
    out: Path
    images: int
    lost: list[str]


def export_data(
    data: Path,
    out: Path,
    name: str,
    workers: Workers = 1,
    on_start: Callable[[str, int | None], None] = lambda what, total: None,
    on_pictures: Callable[[int], None] = lambda count: None,
) -> Export:
    """Write the data folder ``data`` to ``out`` in the format ``name``; ``out`` appears when it is whole.

    Raises:
        ValueError: the format is unknown.
        DataError: the data folder is broken, or ``out`` is not empty.
        OSError: a file could not be written.
    """
    chosen = find_by_name(FORMATS, name, "data format")
    exporter = chosen.load()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is not empty; choose another folder for the export", "taken")
    on_start("reading", None)
    labelled = own.read(data, own.Settings())
    labels = Labels(labelled.detection_labels, labelled.segmentation_labels, labelled.classification_labels, labelled.lanes_labels)
    pictures = sorted(labelled.pictures, key=lambda picture: picture.name)
    notes = Notes()
    for picture in pictures:
        loss = lost(picture, exporter.HOLDS)
        notes.merge(loss.counts, loss.examples)
    unfinished = out.with_name(f"{out.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    on_start("exporting", len(pictures))
    try:
        records, images = [], 0
        for made, written, (counts, examples) in _written(pictures, chosen, unfinished, labels, workers):
            records += made
            images += written
            notes.merge(counts, examples)
            on_pictures(len(made))
        exporter.finish(records, unfinished, labels)
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return Export(chosen.name, out, images, notes.lines())


_Made = tuple[list[Any], int, tuple[dict[str, int], dict[str, str]]]
"""Records, how many images were written, counts and examples of notes."""


def _written(pictures: list[Picture], chosen: Format, out: Path, labels: Labels, workers: Workers) -> Iterator[_Made]:
    """Yields the result of each chunk of pictures, in their order."""
    chunks = [(first + 1, pictures[first : first + _PICTURES]) for first in range(0, len(pictures), _PICTURES)]
    yield from in_order(_write_chunk, ((chunk, number, chosen, out, labels) for number, chunk in chunks), workers)


def _write_chunk(work: tuple[list[Picture], int, Format, Path, Labels]) -> _Made:
    pictures, number, chosen, out, labels = work
    exporter, notes, records, written = chosen.load(), Notes(), [], 0
    for i, picture in enumerate(pictures):
        try:
            item = item_of(picture, number + i, exporter.HOLDS)
        except DataError:
            raise
        except ValueError as error:
            raise DataError(f"{picture.name}: {error}", "mask") from error
        records.append(exporter.write_picture(item, out, labels))
        written += item.is_written
        notes.merge(item.notes.counts, item.notes.examples)
    return records, written, (dict(notes.counts), notes.examples)
