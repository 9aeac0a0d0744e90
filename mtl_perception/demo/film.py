# SPDX-License-Identifier: Apache-2.0
"""A film that a browser plays: VP8 in WebM, which OpenCV's wheel can write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np


class FilmError(ValueError):
    """This OpenCV cannot write the film."""


class Film:
    """A film being written; ``close`` finishes it.

    Args:
        path: ends in .webm.
        width, height: of every picture, even numbers.
        rate_hz: pictures a second.

    Raises:
        FilmError: OpenCV has no VP8.
    """

    def __init__(self, path: Path, width: int, height: int, rate_hz: float) -> None:
        code = cv2.VideoWriter_fourcc(*"VP80")
        with _silent():  # FFmpeg remarks on stderr that WebM has no four-letter codes
            self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, rate_hz, (width, height))
        if not self._writer.isOpened():
            raise FilmError(
                f"this OpenCV ({cv2.__version__}) cannot write VP8 to {path}; "
                "install opencv-python-headless from PyPI"
            )

        # Encoding a picture takes as long as a network does: it runs beside the next one.
        self._encoder = ThreadPoolExecutor(max_workers=1)
        self._pending: Future | None = None

    def add(self, picture_rgb: np.ndarray) -> None:
        """One more picture, (H, W, 3) uint8 RGB."""
        if self._pending is not None:
            self._pending.result()
        self._pending = self._encoder.submit(self._writer.write, cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        self._encoder.shutdown()
        self._writer.release()


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing that native code writes reaches stderr."""
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
