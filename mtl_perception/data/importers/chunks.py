# SPDX-License-Identifier: Apache-2.0
"""Work on many pictures in chunks: each leaves one file when it is done, so that a run that was cut off goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from mtl_perception.core.files import write_json
from mtl_perception.core.workers import Workers, in_order
from mtl_perception.data.importers.convert import Job, Plan, convert
from mtl_perception.data.importers.labelled import Notes

_PICTURES = 64
_INSTANCES = 20_000


def chunks(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    """Always the same for the same jobs: as many pictures as are worth a file, fewer where they hold very many objects."""
    chunk: list[Job] = []
    instances = 0
    for job in jobs:
        chunk.append(job)
        instances += len(job.picture.instances) if hasattr(job.picture.instances, "__len__") else 0
        if len(chunk) >= _PICTURES or instances >= _INSTANCES:
            yield chunk
            chunk, instances = [], 0
    if chunk:
        yield chunk


def convert_all(jobs: Iterable[Job], plan: Plan, state: Path, workers: Workers, on_pictures: Callable[[int], None]) -> list[str]:
    """Convert all jobs, but for chunks that an earlier run finished.

    Args:
        state: folder of the chunks' files.
        on_pictures: told how many more pictures are done.

    Returns:
        What is wrong with the pictures that could not be used. Their chunks are done again by the next run.

    Raises:
        OSError: a file could not be written, or worker processes were killed again and again.
    """
    problems: list[str] = []
    numbered = enumerate(chunks(jobs))

    def outstanding() -> Iterator[tuple[Path, list[Job]]]:
        for number, chunk in numbered:
            path = state / f"chunk{number:06d}.json"
            if path.exists():
                on_pictures(len(chunk))
            else:
                yield path, chunk

    work = ((chunk, plan, path) for path, chunk in outstanding())
    for found, count in in_order(_convert_chunk, work, workers):
        problems += found
        on_pictures(count)
    return problems


def _convert_chunk(work: tuple[list[Job], Plan, Path]) -> tuple[list[str], int]:
    """Writes the pictures of a chunk, then the file that says that it is finished; returns their problems, and how many they are."""
    chunk, plan, path = work
    entries, pictures, problems, notes = [], [], [], Notes()
    for job in chunk:
        done = convert(job, plan)
        notes.merge(done.notes.counts, done.notes.examples)
        if done.problem:
            problems.append(done.problem)
        elif done.entry is not None:
            entry = done.entry
            entries.append(entry)
            summary = (entry["file_name"], entry["group"], entry["tasks"], len(entry["annotations"]), done.digest, done.hash)
            pictures.append(summary)
    write_json(
        path if not problems else path.with_suffix(".broken.json"),
        {"entries": entries, "pictures": pictures, "notes": notes.counts, "examples": notes.examples},
    )
    return problems, len(chunk)


class Summary(msgspec.Struct):
    """The result of a chunk, without its labels.

    Attributes:
        pictures: file name, group, tasks, number of boxes, digest and perceptual hash of each.
        notes, examples: of ``Notes``.
    """

    pictures: list[tuple[str, str, list[str], int, str, int | None]]
    notes: dict[str, int]
    examples: dict[str, str]


def summaries(state: Path) -> Iterator[Summary]:
    """Yields the content of the chunks, in their order."""
    for path in sorted(state.glob("chunk*.json")):
        yield msgspec.json.decode(path.read_bytes(), type=Summary)


def entries(state: Path) -> Iterator[dict[str, Any]]:
    """The index entries of all pictures, in the same order."""
    for path in sorted(state.glob("chunk*.json")):
        yield from msgspec.json.decode(path.read_bytes())["entries"]
