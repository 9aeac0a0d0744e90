# SPDX-License-Identifier: Apache-2.0
"""Finds the pictures that label files name, however they name them."""

from __future__ import annotations

import os
import posixpath
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.image_file import has_picture_suffix, same_spelling


def posix_name(name: str) -> str:
    r"""A path from any system with ``/`` and without drive, scheme or leading ``./``: C:\\data\\a.jpg → data/a.jpg."""
    name = same_spelling(name.strip()).replace("\\", "/")
    if len(name) > 2 and name[1] == ":" and name[0].isalpha() and name[2] == "/":
        name = name[3:]
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "/".join(parts)


class PictureFinder:
    """The pictures below a folder, by name.

    Args:
        root: folder that is searched, once, at the first question.
        wanted: which files count, by name; pictures if not given.
        skip: folders that hold no pictures, such as masks, by their path below root.
    """

    def __init__(self, root: Path, wanted: Callable[[str], bool] = has_picture_suffix, skip: tuple[str, ...] = ()) -> None:
        self.root = root
        self._wanted, self._skip = wanted, skip
        self._files: dict[str, str] | None = None
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)

    def all(self) -> list[str]:
        """Paths below root with ``/``, sorted."""
        return sorted(self._scanned().values())

    def path(self, found: str) -> Path:
        return self.root / found

    def find(self, name: str, near: str = "") -> str | None:
        """The picture below root that ``name`` means; None if there is none.

        Tried are: the path as it is, below ``near`` (a folder below root), below any ``images`` folder, and last the only
        picture that ends so.

        Raises:
            DataError: several pictures are called so, in different folders.
        """
        files, wanted = self._scanned(), posix_name(name)
        if not wanted:
            return None
        for folder in (near, "", "images", f"{near}/images" if near else "images"):
            path = os.path.normpath(f"{folder}/{wanted}" if folder else wanted).replace(os.sep, "/")
            if path in files:
                return files[path]
        return self._only(self._by_name.get(wanted.rpartition("/")[2].lower(), []), _without_suffix(wanted), name)

    def find_stem(self, stem: str, near: str = "") -> str | None:
        """The picture whose path without its suffix is ``stem``, or ends so; None if there is none.

        Raises:
            DataError: several pictures are called so.
        """
        self._scanned()
        wanted = posix_name(stem)
        candidates = self._by_stem.get(PurePosixPath(wanted + ".x").stem.lower(), [])
        for folder in (near, ""):
            path = f"{folder}/{wanted}" if folder else wanted
            exact = [found for found in candidates if same_spelling(_without_suffix(found)) == path]
            if exact:
                return self._only(exact, "", stem)
        return self._only(candidates, wanted, stem)

    def _only(self, candidates: list[str], wanted: str, name: str) -> str | None:
        """``wanted``: path without its suffix; "" where all candidates have it."""
        if len(candidates) > 1 and wanted:
            # The one that shares most of the end of its path.
            parts = PurePosixPath(wanted).parts
            shared = {found: _common_end(PurePosixPath(_without_suffix(same_spelling(found))).parts, parts) for found in candidates}
            best = max(shared.values())
            candidates = [found for found in candidates if shared[found] == best]
        if len(candidates) > 1:
            raise DataError(
                f"'{name[-200:]}' could be any of {', '.join(sorted(candidates)[:3])}"
                f"{' …' if len(candidates) > 3 else ''} below {self.root}; give the folder that holds the right one",
                "duplicate",
            )
        return candidates[0] if candidates else None

    def _scanned(self) -> dict[str, str]:
        if self._files is None:
            self._files = {}
            for folder, folders, files in os.walk(self.root):
                relative = os.path.relpath(folder, self.root).replace(os.sep, "/")
                prefix = "" if relative == "." else f"{relative}/"
                folders[:] = sorted(f for f in folders if f"{prefix}{f}" not in self._skip and not f.startswith((".", "__MACOSX")))
                for file in files:
                    if self._wanted(file) and not file.startswith("._"):
                        path = prefix + file
                        key = same_spelling(path)
                        self._files[key] = path
                        name = key.rpartition("/")[2].lower()
                        self._by_name[name].append(path)
                        self._by_stem[posixpath.splitext(name)[0]].append(path)
        return self._files


def _without_suffix(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))


def _common_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a.lower() != b.lower():
            break
        count += 1
    return count
