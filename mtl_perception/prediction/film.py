# SPDX-License-Identifier: Apache-2.0
"""A film that a browser plays: VP9 in WebM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

# Realtime encoding at constant quality: a fifth of the time and a quarter of the size of what OpenCV writes.
_OPTIONS = {"crf": "36", "b": "0", "deadline": "realtime", "cpu-used": "7", "row-mt": "1"}


class Film:
    """A film being written; ``close`` finishes it, and only then is it at ``path``.

    Args:
        path: ends in .webm.
        width, height: of the film, even numbers; pictures of another size are fitted in.
        rate_hz: pictures a second.

    Raises:
        OSError: it can't be written, then or in ``add`` or ``close``; the text names ``path``.
    """

    def __init__(self, path: Path, width: int, height: int, rate_hz: float) -> None:
        self._path, self._unfinished = path, path.with_name(f"{path.name}.part")
        with self._named():
            self._container = av.open(str(self._unfinished), "w", format="webm")
        self._stream = self._container.add_stream("libvpx-vp9", rate=Fraction(rate_hz).limit_denominator(1000))
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = _OPTIONS

    def add(self, picture_rgb: np.ndarray) -> None:
        """One more picture, (H, W, 3) uint8 RGB."""
        size = self._stream.width, self._stream.height
        if picture_rgb.shape[1::-1] != size:
            picture_rgb = cv2.resize(picture_rgb, size, interpolation=cv2.INTER_AREA)
        with self._named():
            self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(picture_rgb, format="rgb24")))

    def close(self) -> None:
        """Write what is pending and the index."""
        with self._named():
            try:
                self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()
            self._unfinished.replace(self._path)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._unfinished.unlink(missing_ok=True)
            raise OSError(error.errno, f"can't write {self._path}: {error.strerror}") from error
