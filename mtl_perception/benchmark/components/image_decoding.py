# SPDX-License-Identifier: Apache-2.0
"""Decoding of JPEG and PNG beside OpenCV's, and how much damage each of them notices.

    scripts/run python -m mtl_perception.benchmark.components.image_decoding docs/rooms.png bags/demo

Pictures come from image files and from bags. Times are of this process's CPU, best of several rounds in turns, so that a
busy machine disturbs them little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from mtl_perception.bags import Bag
from mtl_perception.core.image_files import ImageError, decode_label_map, decode_rgb

SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
DAMAGED = 1000

Decode = Callable[[bytes], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+", help="image files and bags")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    pictures = [picture for path in arguments.pictures for picture in _pictures(path)]
    console = Console(markup=False, width=120)
    table = Table("", "OpenCV, ms", "here, ms", "here / OpenCV", title="one picture, one core, with the colours in RGB order")
    for name, files, theirs, ours in _cases(pictures):
        theirs_ms, ours_ms = _cost_ms(files, (theirs, ours), arguments.rounds)
        table.add_row(name, f"{theirs_ms:.3f}", f"{ours_ms:.3f}", f"{ours_ms / theirs_ms:.2f}")
    console.print(table)
    console.print(_damage_table(pictures))


def _pictures(path: Path) -> list[np.ndarray]:
    """A few of a bag's images, or the one of a file; BGR."""
    if not path.is_dir():
        picture = cv2.imread(str(path))
        if picture is None:
            raise SystemExit(f"{path} is no picture that OpenCV can read, and no bag")
        return [picture]
    with Bag(path) as bag:
        topic = bag.find_image()
        images = [frame.image_rgb for frame in bag.frames(topic, None) if frame.image_rgb is not None]
    return [np.ascontiguousarray(images[i][..., ::-1]) for i in np.linspace(0, len(images) - 1, 8).astype(int)]


def _cases(pictures: list[np.ndarray]) -> list[tuple[str, list[bytes], Decode, Decode]]:
    cases = []
    for size in SIZES:
        scaled = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]
        for quality in (80, 95):
            files = [_encoded(".jpg", one, cv2.IMWRITE_JPEG_QUALITY, quality) for one in scaled]
            cases.append((f"JPEG {size[0]}x{size[1]}, quality {quality}", files, _opencv_rgb, decode_rgb))
    vga = [cv2.resize(picture, (640, 480), interpolation=cv2.INTER_AREA) for picture in pictures]
    masks = [cv2.medianBlur(picture[..., 1] // 40, 9) for picture in vga]
    depths = [cv2.GaussianBlur(picture[..., 1], (0, 0), 3).astype(np.uint16) * 17 for picture in vga]
    level = cv2.IMWRITE_PNG_COMPRESSION, 3
    files = [_encoded(".png", one, *level) for one in vga]
    cases.append(("PNG 640x480, colours", files, _opencv_rgb, partial(decode_rgb, quiet=False)))
    cases.append(("the same, quiet", files, _opencv_rgb, decode_rgb))
    for name, bits, maps in (("class ids", 8, masks), ("millimetres", 16, depths)):
        files = [_encoded(".png", one, *level) for one in maps]
        ours = partial(decode_label_map, bits=bits, quiet=False)
        cases.append((f"PNG 640x480, {name}", files, _opencv_as_stored, ours))
    return cases


def _damage_table(pictures: list[np.ndarray]) -> Table:
    """Of files in which 1 to 10 random bytes are others: how many are refused, how many are let through and wrong."""
    table = Table(
        "",
        "OpenCV refuses",
        "lets through wrong",
        "here refused",
        "let through wrong",
        title=f"{DAMAGED} files of 640x480 with 1 to 10 bytes changed; wrong: a fifth of the pixels or more",
    )
    kinds = {
        "JPEG": (".jpg", ()),
        "JPEG, restart markers": (".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 40)),
        "JPEG, progressive": (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        "PNG": (".png", ()),
    }
    for name, (extension, options) in kinds.items():
        rng = np.random.default_rng(0)
        counts = np.zeros((2, 2), int)
        for i in range(DAMAGED):
            picture = cv2.resize(pictures[i % len(pictures)], (640, 480), interpolation=cv2.INTER_AREA)
            whole = _encoded(extension, picture, *options)
            truth, data = decode_rgb(whole), _damaged(whole, rng)
            for row, decode in enumerate((_opencv_rgb, decode_rgb)):
                found = _attempt(decode, data)
                counts[row] += found is None, found is not None and _is_wrong(found, truth)
        table.add_row(name, *map(str, counts.ravel()))
    return table


def _damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    content = np.frombuffer(whole, np.uint8).copy()
    places = rng.integers(0, len(content), rng.integers(1, 11))
    content[places] = rng.integers(0, 256, len(places))
    return content.tobytes()


def _attempt(decode: Decode, data: bytes) -> np.ndarray | None:
    try:
        return decode(data)
    except (ImageError, cv2.error):
        return None


def _is_wrong(found: np.ndarray, truth: np.ndarray) -> bool:
    return found.shape != truth.shape or (found != truth).any(2).mean() >= 0.2


def _opencv_rgb(data: bytes) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def _opencv_as_stored(data: bytes) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return decoded


def _encoded(extension: str, picture: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(extension, picture, options)[1].tobytes()


def _cost_ms(files: list[bytes], decoders: tuple[Decode, ...], rounds: int) -> list[float]:
    best_s = [float("inf")] * len(decoders)
    for _ in range(rounds):
        for k, decode in enumerate(decoders):
            started_s = time.process_time()
            for data in files:
                decode(data)
            best_s[k] = min(best_s[k], time.process_time() - started_s)
    return [total_s / len(files) * 1000 for total_s in best_s]


if __name__ == "__main__":
    main()
