# SPDX-License-Identifier: Apache-2.0
"""From the path of a bag to its open files."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import zstandard

from mtl_perception.bags.error import BagError
from mtl_perception.bags.mcap_file import McapFile
from mtl_perception.bags.metadata import FILE_NAME, Metadata, read_metadata
from mtl_perception.bags.sqlite_file import SqliteFile
from mtl_perception.bags.storage import DamagedFile, Storage
from mtl_perception.core.foreign_text import cut

_STORAGES = {".mcap": McapFile, ".db3": SqliteFile}
_COMPRESSED = ".zst", ".zstd"


def is_bag(path: Path) -> bool:
    """Whether this is meant to be a bag: a file, or a folder of a recorder's."""
    if not path.is_dir():
        return path.exists()
    return (path / FILE_NAME).exists() or any(_storage_suffix(part) in _STORAGES for part in path.iterdir())


def find_files(bag: Path) -> tuple[list[Path], Metadata | None]:
    """The files of a bag, and what its metadata.yaml says; a bare file has none.

    Raises:
        BagError: there is no bag, or a part of it is missing.
    """
    if not bag.exists():
        raise BagError(f"bag {bag} does not exist")
    if bag.suffix == ".bag" and bag.is_file():
        raise BagError(f"{bag} is a ROS 1 bag, expected rosbag2; run 'rosbags-convert --src {bag} --dst FOLDER'")
    if not bag.is_dir():
        if not bag.is_file() or _storage_suffix(bag) not in _STORAGES:
            raise BagError(f"{bag} is no bag, expected a rosbag2 folder or a .mcap or .db3 file, compressed (.zst) or not")
        return [bag], None
    if not (bag / FILE_NAME).exists():
        parts = sorted(part.name for part in bag.iterdir() if _storage_suffix(part) in _STORAGES)
        if parts:
            raise BagError(
                f"bag {bag} has no {FILE_NAME}: its recording goes on or was cut off; "
                f"run 'ros2 bag reindex {bag}', or give the file {bag / parts[0]} itself"
            )
        raise BagError(f"{bag} is no rosbag2 folder: it has no {FILE_NAME}")
    metadata = read_metadata(bag)
    files = metadata.files(bag)
    if missing := [file.name for file in files if not file.is_file()]:
        raise BagError(f"bag {bag}: {', '.join(missing)} is missing, which its {FILE_NAME} names")
    return files, metadata


def open_files(bag: Path, files: list[Path], stack: ExitStack) -> list[Storage]:
    """``files`` opened, each to be closed by ``stack``; compressed ones are unpacked into a temporary folder first.

    Raises:
        BagError: one is truncated or damaged, or can't be unpacked.
    """
    storages: list[Storage] = []
    for file in files:
        plain = _unpacked(bag, file, stack) if file.suffix in _COMPRESSED else file
        if plain.suffix not in _STORAGES:
            raise BagError(f"bag {bag}: the storage of {file.name} is not known, expected .mcap or .db3")
        try:
            storage = _STORAGES[plain.suffix](plain)
        except Exception as error:  # the parsers raise whatever they come upon
            raise damaged(bag, file, error) from error
        stack.callback(storage.close)
        storages.append(storage)
    return storages


def damaged(bag: Path, file: Path, error: Exception) -> BagError:
    """Returns what to say of a file that its parser could not read."""
    if isinstance(error, DamagedFile):
        return BagError(f"bag {bag}: {file.name} {cut(error, 300)}")
    return BagError(f"bag {bag}: {file.name} can't be read: {cut(error, 300) or type(error).__name__}; copy it again, or repair it")


def _storage_suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix in _COMPRESSED else path.suffix


def _unpacked(bag: Path, file: Path, stack: ExitStack) -> Path:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mtl_perception_bag_"))
    plain = Path(folder) / file.stem
    try:
        with file.open("rb") as packed, plain.open("wb") as out:
            is_whole = _unpack(packed, out)
    except zstandard.ZstdError as error:
        raise BagError(f"bag {bag}: {file.name} can't be unpacked: {error}; copy it again") from error
    except OSError as error:
        raise BagError(
            f"bag {bag}: {file.name} can't be unpacked into {folder}: {error.strerror}; "
            "free space there, or set TMPDIR to a folder that has more"
        ) from error
    if not is_whole:
        raise BagError(f"bag {bag}: {file.name} is truncated; copy it again")
    return plain


def _unpack(packed: BinaryIO, out: BinaryIO) -> bool:
    """Unpack all frames of zstd; whether the last one was whole."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    while block := packed.read(1 << 20):
        while block:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            out.write(frame.decompress(block))
            block = frame.unused_data if frame.eof else b""
    return frame.eof
