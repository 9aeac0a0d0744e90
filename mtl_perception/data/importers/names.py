# SPDX-License-Identifier: Apache-2.0
"""Names of imported pictures, and which of them a split keeps together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from mtl_perception.data.importers.finder import posix_name
from mtl_perception.data.importers.labelled import Notes, Picture

_UNSAFE = re.compile(r'[\x00-\x1f<>:"|?*]')
GROUPINGS = ("source", "file", "folder")


class Stems:
    """Gives each picture a name of its own without a suffix: two pictures of one name would share their label files."""

    def __init__(self, notes: Notes) -> None:
        self._taken: set[str] = set()
        self._notes = notes

    def of(self, picture: Picture, shared: int = 0) -> str:
        """Its path within the source, without the first ``shared`` folders."""
        parts = [part for part in posix_name(picture.name).split("/") if part != ".."][shared:]
        path = PurePosixPath(_UNSAFE.sub("_", "/".join(parts) or "picture"))
        stem = plain = str(path.with_suffix("")) if path.suffix else str(path)
        count = 1
        while stem.lower() in self._taken:
            count += 1
            stem = f"{plain}_{count}"
        if stem != plain:
            self._notes.add("pictures that were renamed, for another one has their name", f"{picture.name} to {stem}")
        self._taken.add(stem.lower())
        return stem


_PLAIN_FOLDERS = {"images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "rgb", "data", "obj_train_data", "leftimg8bit"}


def shared_folders(names: Sequence[str]) -> int:
    """How many folders all of ``names`` begin with that say no more than that pictures are in them."""
    folders = [posix_name(name).split("/")[:-1] for name in names]
    if not folders:
        return 0
    first, last = min(folders), max(folders)
    count = 0
    while count < min(len(first), len(last)) and first[count] == last[count] and first[count].lower() in _PLAIN_FOLDERS:
        count += 1
    return count


class Grouping:
    """Which pictures belong together.

    Args:
        rule: "source" (what the format says; a picture alone where it says nothing), "file" (each alone), "folder", or a
            regular expression: what its first group (or all of it) finds in the picture's name.

    Raises:
        ValueError: the rule is no regular expression.
    """

    def __init__(self, rule: str, notes: Notes) -> None:
        self._rule, self._notes = rule, notes
        self._pattern: re.Pattern[str] | None = None
        if rule not in GROUPINGS:
            try:
                self._pattern = re.compile(rule)
            except re.error as error:
                raise ValueError(
                    f"--group is '{rule}', expected one of {', '.join(GROUPINGS)} or a regular expression ({error})"
                ) from error

    def of(self, picture: Picture, stem: str) -> str:
        if self._pattern is not None:
            found = self._pattern.search(picture.name)
            if found is None:
                self._notes.add(f"pictures whose name --group '{self._rule}' does not fit: each is a group of its own", picture.name)
                return stem
            return found.group(1) if self._pattern.groups else found.group()
        if self._rule == "folder":
            return str(PurePosixPath(stem).parent)
        return stem if self._rule == "file" or picture.group is None else picture.group


def merged_groups(groups: Sequence[str], alike: Sequence[Sequence[int]]) -> dict[str, str]:
    """Group → the group that it becomes, where pictures of several groups are alike (``duplicates.same_or_near``)."""
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while parent.get(group, group) != group:
            group = parent[group]
        return group

    for members in alike:
        roots = sorted({root(groups[i]) for i in members})
        for other in roots[1:]:
            parent[other] = roots[0]
    return {group: root(group) for group in parent}
