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


class Pixels(NamedTuple):
    """The content of one image's files; None where it is not labelled.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        semantic: (H, W) uint8, the folder's own ids.
        millimetres: (H, W) uint16.
        lanes: (H, W) uint8, the folder's own bits.
    """

    image: np.ndarray
    semantic: np.ndarray | None
    millimetres: np.ndarray | None
    lanes: np.ndarray | None


class PixelCache:
    """Up to 7 bytes a pixel in one file that is mapped into memory, each image filled in when it is first read.

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
            os.posix_fallocate(self._file.fileno(), 0, int(self._starts[-1]))
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
            for target, values in zip(cached, read(entry)):
                if target is not None:
                    target[:] = values
            self._memory[row] = 1
        for view in cached:
            if view is not None:
                view.flags.writeable = False
        return cached

    def _views(self, row: int, entry: ImageEntry) -> Pixels:
        assert self._memory is not None
        shape, pixels = (entry.height, entry.width), entry.height * entry.width
        rest = self._memory[self._starts[row] : self._starts[row + 1]]
        millimetres = semantic = lanes = None
        if "depth" in entry.tasks:
            millimetres, rest = rest[: 2 * pixels].view(np.uint16).reshape(shape), rest[2 * pixels :]
        image, rest = rest[: 3 * pixels].reshape(*shape, 3), rest[3 * pixels :]
        if "segmentation" in entry.tasks:
            semantic, rest = rest[:pixels].reshape(shape), rest[pixels:]
        if "lanes" in entry.tasks:
            lanes = rest[:pixels].reshape(shape)
        return Pixels(image, semantic, millimetres, lanes)

    def __getstate__(self) -> Mapping[str, Any]:
        return {**vars(self), "_file": None, "_memory": None}


def _size(entry: ImageEntry) -> int:
    return entry.height * entry.width * (3 + ("segmentation" in entry.tasks) + 2 * ("depth" in entry.tasks) + ("lanes" in entry.tasks))
