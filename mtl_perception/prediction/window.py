# SPDX-License-Identifier: Apache-2.0
"""A window that shows one picture after the other. By Tk, as the OpenCV that is installed along has no windows."""

from __future__ import annotations

import time

import cv2
import numpy as np

_LARGEST = 0.9
"""Share of the screen."""
_LOOK_UP_S = 0.03


class WindowError(RuntimeError):
    """There can be no window; the text says what to do."""


class Window:
    """Ends when it is closed, or by q or Esc.

    Attributes:
        is_closed: somebody has had enough.

    Raises:
        WindowError: there is no display, or no Tk.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter

            from PIL import ImageTk
        except ImportError as error:
            raise WindowError(
                f"--show needs {error.name or 'Tk'}: install python3-tk, or leave --show out; the pictures are in --out all the same"
            ) from None
        try:
            self._root = tkinter.Tk(className="mtl-perception")
        except tkinter.TclError as error:
            raise WindowError(
                f"--show needs a display ({error}); over SSH log in by ssh -X, or leave --show out: the pictures are in --out all the same"
            ) from None
        self.is_closed = False
        self._photo, self._label = ImageTk.PhotoImage, tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._root.title(f"{title}  (q ends)")
        for event in ("q", "<Escape>"):
            self._root.bind(event, lambda _: self._end())
        self._root.protocol("WM_DELETE_WINDOW", self._end)

    def show(self, picture_rgb: np.ndarray) -> None:
        """Put a picture, (H, W, 3) uint8 RGB, in the place of the one before."""
        from PIL import Image

        height, width = picture_rgb.shape[:2]
        fit = min(1.0, _LARGEST * self._root.winfo_screenwidth() / width, _LARGEST * self._root.winfo_screenheight() / height)
        if fit < 1:
            size = max(1, round(width * fit)), max(1, round(height * fit))
            picture_rgb = cv2.resize(picture_rgb, size, interpolation=cv2.INTER_AREA)
        self._shown = self._photo(Image.fromarray(picture_rgb), master=self._root)  # Tk itself doesn't keep it
        self._label.configure(image=self._shown)
        self._root.update()

    def wait(self) -> None:
        """Stay until somebody closes it."""
        while not self.is_closed:
            self._root.update()
            time.sleep(_LOOK_UP_S)

    def close(self) -> None:
        self._root.destroy()

    def _end(self) -> None:
        self.is_closed = True
