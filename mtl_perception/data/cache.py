# SPDX-License-Identifier: Apache-2.0
"""Decoded pixels of a data folder, kept where every process of this machine can read them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtl_perception.data.format import ImageEntry
from mtl_perception.tasks import LABELS, MapCodec


class Pixels(NamedTuple):
    """The content of one image's files.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        maps: by kind of label, (H, W) as its PNG has it, in the folder's own classes.
    """

    image: np.ndarray
    maps: dict[str, np.ndarray]


class PixelCache:
    """A few bytes a pixel in one file that is mapped into memory, each image filled in when it is first read.

    The file has no name any more when the constructor returns, so nothing of it outlives the processes that use it,
    however they end. It lies in the page cache while there is memory, and on the disk otherwise. Loader processes open
    it through the process that made it, which has to live as long.

    Args:
        entries: the images.
        directory: on a disk with room for all of it; that of temporary files (TMPDIR) if None.

    Raises:
        OSError: there is no room; the error names the size and the directory.
    """

    def __init__(self, entries: Sequence[ImageEntry], directory: Path | None = None) -> None:
        sizes = np.array([_size(entry) for entry in entries], np.int64)
        self._entries = {entry.id: (row, entry) for row, entry in enumerate(entries)}
        # First one byte an image, 1 when it is there; then the pixels, each image aligned for 16-bit values.
        self._starts = len(entries) + len(entries) % 2 + np.concatenate([[0], np.cumsum(sizes + sizes % 2)])
        folder = Path(directory or tempfile.gettempdir())
        self._file = tempfile.TemporaryFile(dir=folder)
        try:
            # Without its blocks reserved, a file that no longer fits would end the process by a signal.
            os.posix_fallocate(self._file.fileno(), 0, max(1, int(self._starts[-1])))  # it refuses 0: no image is left
        except OSError as error:
            self._file.close()
            if error.errno not in (errno.ENOSPC, errno.EFBIG):
                raise
            needed = f"{self._starts[-1] / 1e9:.1f} GB"
            raise OSError(
                error.errno,
                f"no room in {folder} for a cache of {needed}; set TMPDIR, or train without cache",
            ) from error
        self._path = f"/proc/{os.getpid()}/fd/{self._file.fileno()}"
        self._memory: np.ndarray | None = None

    def get(self, entry: ImageEntry, read: Callable[[ImageEntry], Pixels]) -> Pixels:
        """The pixels of ``entry``, by ``read`` the first time; not to be written to.

        They are all that the cache's own entry is labelled for, also where ``entry`` is a view with fewer tasks.
        """
        if self._memory is None:
            self._memory = np.asarray(np.memmap(self._path, np.uint8, "r+"))
        row, entry = self._entries[entry.id]
        cached = self._views(row, entry)
        if not self._memory[row]:
            # Two processes may do this at once: they write the same.
            found = read(entry)
            cached.image[:] = found.image
            for kind, target in cached.maps.items():
                target[:] = found.maps[kind]
            self._memory[row] = 1
        for view in (cached.image, *cached.maps.values()):
            view.flags.writeable = False
        return cached

    def _views(self, row: int, entry: ImageEntry) -> Pixels:
        assert self._memory is not None
        shape, pixels = (entry.height, entry.width), entry.height * entry.width
        rest = self._memory[self._starts[row] : self._starts[row + 1]]
        maps: dict[str, np.ndarray] = {}
        for kind, codec in maps_of(entry).items():
            size = pixels * np.dtype(codec.dtype).itemsize
            maps[kind], rest = rest[:size].view(codec.dtype).reshape(shape), rest[size:]
        return Pixels(rest[: 3 * pixels].reshape(*shape, 3), maps)

    def __getstate__(self) -> Mapping[str, Any]:
        return {**vars(self), "_file": None, "_memory": None}


def maps_of(entry: ImageEntry) -> dict[str, MapCodec]:
    """The kinds of map that the image's labels are read or made from; the widest values first, so that each lies at a multiple of its
    size."""
    kinds = {*entry.tasks, *(LABELS[kind].made_from for kind in entry.tasks if kind in LABELS)}
    codecs = {kind: codec for kind, codec in LABELS.items() if isinstance(codec, MapCodec) and kind in kinds}
    return dict(sorted(codecs.items(), key=lambda item: -np.dtype(item[1].dtype).itemsize))


def _size(entry: ImageEntry) -> int:
    return entry.height * entry.width * (3 + sum(np.dtype(codec.dtype).itemsize for codec in maps_of(entry).values()))
