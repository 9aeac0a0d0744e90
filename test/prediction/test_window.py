# SPDX-License-Identifier: Apache-2.0
"""The window of ``predict --show``, on a screen that nobody sees."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageGrab

from mtl_perception.prediction.window import Window, WindowError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb (apt install xvfb)")
    pytest.importorskip("tkinter", reason="needs python3-tk")
    command = [
        "Xvfb",
        "-displayfd",
        "1",
        "-screen",
        "0",
        "640x480x24",
        "-nolisten",
        "tcp",
        "-noreset",
    ]  # which refuses whoever comes while it resets
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        display = f":{process.stdout.readline().strip()}"
        monkeypatch.setenv("DISPLAY", display)
        yield display
    finally:
        process.terminate()
        process.wait()


# In a process of its own: Xlib ends the one whose screen is gone.
PROGRAM = """
import sys
import numpy as np
from PIL import ImageGrab
from mtl_perception.prediction.window import Window

def seen(colour):
    return int((np.asarray(ImageGrab.grab(xdisplay=sys.argv[1]).convert("RGB")) == colour).all(-1).sum())

for key in ("<KeyPress-q>", "<KeyPress-Escape>"):
    window = Window("a.png")
    for colour in ((255, 0, 0), (0, 0, 255)):
        window.show(np.full((60, 80, 3), colour, np.uint8))
        assert seen(colour) == 60 * 80
    assert not seen((255, 0, 0)) and not window.is_closed
    window._root.focus_force()
    window._root.event_generate(key)
    window.wait()
    window.close()
window = Window("large.png")
window.show(np.full((3000, 2000, 3), (0, 255, 0), np.uint8))
assert seen((0, 255, 0)) == 432 * 288
window.close()
"""


def test_each_picture_takes_the_place_of_the_one_before_until_a_key_ends_it(screen: str) -> None:
    """A large one is shown whole."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, screen], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_without_a_display_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter", reason="needs python3-tk")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(WindowError, match="--show needs a display .*leave --show out"):
        Window("a.png")


def test_without_tk_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(WindowError, match="install python3-tk"):
        Window("a.png")


@pytest.mark.slow
def test_the_command_shows_what_it_writes(screen: str, tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save(tmp_path / "a.png")
    command = [sys.executable, "-m", "mtl_perception.cli", "predict", str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--show"]
    process = subprocess.Popen([*command, "--device", "cpu"], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        while np.asarray(ImageGrab.grab(xdisplay=screen)).max() == 0:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.2)
        assert process.poll() is None  # it stays until somebody ends it
        assert (tmp_path / "out/overlay/a.jpg").exists() and not (tmp_path / "out/unfinished").exists()
    finally:
        process.terminate()
        process.communicate()
