# SPDX-License-Identifier: Apache-2.0
"""Where pictures come from: files, folders, patterns, films, cameras, bags."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from mtl_perception.bags import Bag
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.image_files import MAX_FILE_PIXELS, refuse_too_large, to_8_bit
from mtl_perception.data.importers.image_file import SUFFIXES, has_picture_suffix

FILMS = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".ts", ".mpg", ".mpeg")
_EXPECTED = "expected a picture, a folder, a pattern, a film, a camera's number, a stream's address or a bag"
_STREAM = re.compile(r"^(rtsps?|rtmp|https?|udp|tcp)://", re.IGNORECASE)


class SourceError(ValueError):
    """A source that gives no pictures; the message names it and says what would."""


@dataclass(frozen=True)
class Picture:
    """One image of a source.

    Attributes:
        name: a file name without folder and ending, or the film's name and the frame's number.
        image_rgb: (H, W, 3) uint8, upright.
        intrinsics: of the camera, where the source says it.
        focal_35mm: as EXIF has it: millimetres of a 35 mm camera with this field of view.
        file_name: path of its file below the folder of the source; empty for a frame of a film, a camera or a bag.
    """

    name: str
    image_rgb: np.ndarray
    intrinsics: Intrinsics | None = None
    focal_35mm: float | None = None
    file_name: str = ""


@dataclass(frozen=True)
class Source:
    """
    Attributes:
        pictures: one after the other; read once. Files whose names are in ``done`` by then are not read any more.
        count: how many there will be; None where only the end tells.
        rate_hz: of a film or a stream; None for single pictures.
        skipped: names of files that could not be read, with the reason; grows while ``pictures`` is read.
        files: what the pictures are read from; none of a camera or a stream, which never shows the same again.
        done: names of pictures that are not wanted; may be filled before the first one is read.
    """

    pictures: Iterator[Picture]
    count: int | None
    rate_hz: float | None
    skipped: list[str]
    files: list[Path] = field(default_factory=list)
    done: set[str] = field(default_factory=set)


def open_source(source: str, image_topic: str | None = None, camera_info_topic: str | None = None, without: Iterable[Path] = ()) -> Source:
    """The pictures of ``source``.

    Args:
        source: a picture, a folder of pictures, a pattern such as ``'shots/*.jpg'``, a film, a number for the camera of that number, a
            stream's address (RTSP, HTTP), or a bag.
        image_topic, camera_info_topic: of a bag with several cameras.
        without: folders that are left out where the source is a folder or a pattern around them.

    Raises:
        SourceError: there is nothing, or nothing that can be read.
        BagError: a bag can't be read.
    """
    if not source:  # an unset variable of a shell; as a path it would be the current folder
        raise SourceError(f"the source is empty; {_EXPECTED}")
    path = Path(source)
    is_bag = (path / "metadata.yaml").is_file() if path.is_dir() else path.suffix.lower() in (".mcap", ".db3")
    if is_bag and path.exists():
        return _bag(path, image_topic, camera_info_topic)
    if not is_bag and (image_topic or camera_info_topic):
        raise SourceError(f"{source} is no bag; leave --image and --camera-info out, which choose a bag's topics")
    if source.isdecimal():
        return _camera(int(source))
    if _STREAM.match(source):
        return _film(source, source.rpartition("/")[2] or "stream")
    if path.is_dir():
        return _files(_outside(without, (p for p in path.rglob("*") if has_picture_suffix(p.name))), f"folder {source}", path)
    if path.is_file():
        if path.suffix.lower() in FILMS:
            return _film(str(path), path.stem)
        return _files([path], source)
    if glob.has_magic(source):
        return _files(_outside(without, map(Path, glob.glob(source, recursive=True))), f"pattern {source}")
    raise SourceError(f"{source} does not exist; {_EXPECTED}")


def read_picture(path: Path) -> Picture:
    """A picture file, turned upright as its EXIF orientation says.

    Raises:
        SourceError: it can't be read as a picture.
    """
    try:
        with Image.open(path) as file:
            refuse_too_large("picture", *file.size, MAX_FILE_PIXELS)
            focal_35mm = file.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
            upright = ImageOps.exif_transpose(file)
            if upright.mode.startswith("I"):  # grey of 16 bits, which Pillow would cut at 255
                upright = Image.fromarray(to_8_bit(np.clip(np.asarray(upright), 0, 65535)))
            image_rgb = np.array(upright.convert("RGB"))
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SourceError(f"{path} can't be read as a picture ({type(error).__name__}: {str(error)[:100]})") from error
    usable = isinstance(focal_35mm, (int, float)) and 5 <= focal_35mm <= 800
    return Picture(path.stem, image_rgb, focal_35mm=float(focal_35mm) if usable else None)


def _outside(folders: Iterable[Path], paths: Iterable[Path]) -> list[Path]:
    """The paths in order, those below ``folders`` left out."""
    resolved = [folder.resolve() for folder in folders]
    return sorted(path for path in paths if not any(path.resolve().is_relative_to(folder) for folder in resolved))


def _files(paths: list[Path], what: str, folder: Path | None = None) -> Source:
    if not paths:
        raise SourceError(f"{what}: no picture in it; expected files that end with {', '.join(SUFFIXES)}")
    root = folder or os.path.commonpath([path.parent.absolute() for path in paths])
    skipped: list[str] = []
    done: set[str] = set()

    def pictures() -> Iterator[Picture]:
        for path, name in zip(paths, _names(paths), strict=True):
            if name in done:
                continue
            try:
                file_name = Path(os.path.relpath(path, root)).as_posix()
                yield replace(read_picture(path), name=name, file_name=file_name)
            except SourceError as error:
                if len(paths) == 1:
                    raise
                skipped.append(str(error))

    return Source(pictures(), len(paths), None, skipped, paths, done)


def _names(paths: list[Path]) -> Iterator[str]:
    """A name of its own for each: there may be a/1.jpg and b/1.jpg, or 1.jpg and 1.png."""
    names: set[str] = set()
    for path in paths:
        name, number = path.stem, 2
        while name in names:
            name, number = f"{path.stem}_{number}", number + 1
        names.add(name)
        yield name


def _film(address: str, name: str) -> Source:
    try:
        import av
    except ImportError:
        raise SourceError("films and streams need PyAV: pip install 'mtl-perception[predict]'") from None
    skipped: list[str] = []
    try:
        container = av.open(address)
        stream = container.streams.video[0]
    except (av.FFmpegError, IndexError, OSError) as error:
        raise SourceError(f"{address} can't be opened as a film or stream ({str(error)[:100] or type(error).__name__})") from error
    stream.thread_type = "AUTO"

    def pictures() -> Iterator[Picture]:
        number = 0
        with container:
            try:
                for frame in container.decode(stream):
                    yield Picture(f"{name}_{number:06d}", _upright(frame))
                    number += 1
            except (av.FFmpegError, OSError) as error:
                if number == 0:
                    raise SourceError(f"{address} has no frame that can be decoded ({str(error)[:100]})") from error
                skipped.append(f"{address} breaks off after frame {number} ({str(error)[:100]})")

    rate = stream.average_rate or stream.guessed_rate
    files = [] if _STREAM.match(address) else [Path(address)]
    return Source(pictures(), stream.frames or None, float(rate) if rate else 25.0, skipped, files)


def _upright(frame: Any) -> np.ndarray:
    """A film's frame as RGB, turned and mirrored as its display matrix says: phones store films as the sensor lies.

    Of the matrix (ISO/IEC 14496-12, 8.3.2) its part a b u c d is used, where (x, y) is shown at (a x + c y, b x + d y) and y points down.
    """
    image_rgb, matrix = frame.to_ndarray(format="rgb24"), frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image_rgb
    a, b, _, c, d = np.frombuffer(matrix, np.int32, 5).tolist()
    if abs(b) > abs(a):
        image_rgb, a, d = image_rgb.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image_rgb[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _camera(number: int) -> Source:
    import cv2

    device = cv2.VideoCapture(number)
    if not device.isOpened():
        raise SourceError(f"camera {number} can't be opened; ls /dev/video* lists those that exist")

    def pictures() -> Iterator[Picture]:
        taken = 0
        try:
            while True:
                is_read, image_bgr = device.read()
                if not is_read:
                    return
                yield Picture(f"camera{number}_{taken:06d}", cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB))
                taken += 1
        finally:
            device.release()

    return Source(pictures(), None, device.get(cv2.CAP_PROP_FPS) or 30.0, [])


def _bag(path: Path, image_topic: str | None, camera_info_topic: str | None) -> Source:
    with Bag(path) as bag:
        image = bag.find_image(image_topic)
        camera_info = bag.find_camera_info(image, camera_info_topic)
        seconds = bag.duration_s
    skipped: list[str] = []

    def pictures() -> Iterator[Picture]:
        with bag:
            for number, frame in enumerate(bag.frames(image, camera_info)):
                if frame.problem and frame.problem not in skipped:
                    skipped.append(frame.problem)
                if frame.image_rgb is not None:
                    yield Picture(f"{path.stem}_{number:06d}", frame.image_rgb, frame.intrinsics)

    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    return Source(pictures(), image.count, image.count / seconds if seconds > 0 else 10.0, skipped, files)
