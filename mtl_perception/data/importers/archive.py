# SPDX-License-Identifier: Apache-2.0
"""Unpacks what labelling tools hand out as an archive, and nothing beside the folder it is unpacked into."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from mtl_perception.data.format import DataError


def is_archive(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() == ".zip"


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip file into ``folder``, whole or not at all.

    Returns:
        The folder; where the archive has only one folder at its top, that one.

    Raises:
        DataError: it is damaged, encrypted, larger than the disk has room, or names files outside of itself.
        OSError: a file could not be written.
    """
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            _unpack(archive, unfinished)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise DataError(
                f"{archive} can't be unpacked: {error}; copy it again, or unpack it and give the folder", "unreadable"
            ) from error
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        unfinished.rename(folder)
    inside = [path for path in folder.iterdir() if path.name != "__MACOSX"]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        for member in members:
            name = member.filename.replace("\\", "/")
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or name[1:2] == ":":
                raise DataError(
                    f"{archive} names a file outside of itself ('{member.filename[:100]}'); it was made to harm, or by a broken "
                    "tool: nothing was unpacked",
                    "archive",
                )
            if stat.S_ISLNK(member.external_attr >> 16):
                raise DataError(f"{archive} holds a link ('{member.filename[:100]}'); unpack it yourself and give the folder", "archive")
        needed, free = sum(member.file_size for member in members), shutil.disk_usage(folder).free
        if needed > free:
            raise DataError(f"{archive} unpacks to {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free beside the new data set", "archive")
        for member in members:
            target = folder / member.filename.replace("\\", "/")
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(member) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
