# SPDX-License-Identifier: Apache-2.0
"""Writes the index of a data folder image by image: a million boxes need not be in memory at once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from mtl_perception.core.files import write_json
from mtl_perception.data.format import FORMAT_VERSION

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class IndexWriter:
    """annotations.json, cameras.json and dataset.json, whole or not at all. Use it as a context manager.

    What was there before stays until everything was added; it also stays where an error leaves the context.

    Args:
        root: folder of the data set.
        description: as of ``writer.write_index``.

    Raises:
        OSError: a file could not be written; the error names it.
    """

    def __init__(self, root: Path, description: Mapping[str, Any]) -> None:
        self._root, self._description = Path(root), description
        self._category_ids = {name: i + 1 for i, name in enumerate(description["detection_labels"])}
        self._cameras: dict[str, Mapping[str, float]] = {}
        self._images: list[bytes] = []
        self._names: set[str] = set()
        self._annotations = 0
        self._path = self._root / "annotations.json"
        self._unfinished = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        self._file: BinaryIO | None = None

    def __enter__(self) -> IndexWriter:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            self._file = self._unfinished.open("wb")
            self._file.write(b'{"annotations":[')
        except OSError as error:
            raise self._named(error) from error
        return self

    def add(self, entry: Mapping[str, Any]) -> None:
        """Add what ``writer.write_sample`` returned for an image. Ids follow the order of the calls.

        Raises:
            ValueError: an entry of this file name was added before, or it has a label that the description does not list.
        """
        name = entry["file_name"]
        if name in self._names:
            raise ValueError(f"{self._root}: two entries are called {name}, expected a file name of its own for each image")
        self._names.add(name)
        image = {"id": len(self._names), **{key: value for key, value in entry.items() if key != "annotations"}}
        if "camera" in entry:
            image["camera"] = _camera_id(entry["camera"])
            self._cameras[image["camera"]] = entry["camera"]
        self._images.append(_json(image))
        rows = []
        for number, annotation in enumerate(entry["annotations"], self._annotations + 1):
            if annotation["label"] not in self._category_ids:
                raise ValueError(
                    f"{name} holds a '{annotation['label']}', expected one of detection_labels: {', '.join(self._category_ids)}"
                )
            row = {"id": number, "image_id": image["id"], "category_id": self._category_ids[annotation["label"]], **annotation}
            del row["label"]
            rows.append(row)
        if rows:
            content = _json(rows)[1:-1]  # at once: a call for each box costs more than writing it
            self._write(b"," + content if self._annotations else content)
            self._annotations += len(rows)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            try:
                self._file.close()
            except OSError:
                pass  # what went wrong before is what the caller should hear of
            self._unfinished.unlink(missing_ok=True)

    def _finish(self) -> None:
        categories = [{"id": i, "name": name} for name, i in self._category_ids.items()]
        self._write(b'],"images":[' + b",".join(self._images))
        self._write(b'],"categories":' + _json(categories) + b"}")
        # A reader may come between two of these: new images must find their cameras.
        write_json(self._root / "cameras.json", {"cameras": self._cameras})
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._unfinished.replace(self._path)
        except OSError as error:
            raise self._named(error) from error
        write_json(self._root / "dataset.json", {"format_version": FORMAT_VERSION, **self._description})

    def _write(self, content: bytes) -> None:
        try:
            self._file.write(content)
        except OSError as error:
            raise self._named(error) from error

    def _named(self, error: OSError) -> OSError:
        kept = "; the file that was there before is kept" if self._path.exists() else ""
        return OSError(error.errno, f"can't write {self._path}: {error.strerror}{kept}")


def _camera_id(camera: Mapping[str, float]) -> str:
    """The same for the same camera, whichever images come before it: an index that grows renames nothing."""
    return "c" + hashlib.blake2s(json.dumps(camera, sort_keys=True).encode(), digest_size=6).hexdigest()


def _json(value: object) -> bytes:
    return _ENCODER.encode(value).encode()
