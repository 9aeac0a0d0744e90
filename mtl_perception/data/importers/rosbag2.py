# SPDX-License-Identifier: Apache-2.0
"""Recorded drives: pictures by time or by what is new in them, with camera, registered depth and pose."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from mtl_perception.bags import COMPRESSED_IMAGE, IMAGE, VIDEO, Bag, BagError, BagMessage, Topic, VideoFrame, packet_of, stamp_ns
from mtl_perception.bags.depth import find_depth, measured_metres
from mtl_perception.bags.transforms import BagTransforms
from mtl_perception.core.camera_info import calibrate
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.image_messages import ConversionError, compressed_image_to_rgb, image_to_rgb
from mtl_perception.core.rotation import quaternion_xyzw
from mtl_perception.core.transforms import TransformError
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.duplicates import perceptual_hash
from mtl_perception.data.importers.image_file import ImageBytes, read_header
from mtl_perception.data.importers.labelled import Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options

_FIXED_FRAMES = ("map", "odom", "world")
_SECOND_NS = 1_000_000_000


class Settings(Options):
    """``image``, ``camera_info``, ``depth``: topics, found by themselves where only one can be meant; ``every``: seconds between pictures;
    ``novelty``: of 64 bits of a perceptual hash, how many must have changed since the last picture that was taken (0: any);
    ``tolerance``: seconds that picture and depth may be apart; ``rectify``: "yes" bends the lens's distortion back;
    ``fixed_frame``: of poses, map, odom or world if not given."""

    image: str | None = None
    camera_info: str | None = None
    depth: str | None = None
    every: float = 1.0
    novelty: int = 0
    tolerance: float = 0.02
    rectify: Literal["yes", "no"] = "no"
    fixed_frame: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A picture or an array that was read already."""

    value: Any

    def read(self) -> Any:
        return self.value


def looks_like(source: Path) -> str:
    if source.is_dir() and (source / "metadata.yaml").is_file():
        return "it has metadata.yaml of a bag"
    return f"{source.name} is a bag's file" if source.suffix in (".mcap", ".db3") else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The bag ``source``: a rosbag2 folder, or one .mcap or .db3 file.

    Raises:
        DataError: it can't be read, or a topic is missing.
    """
    if not looks_like(source):
        raise NotThisFormat(f"{source} is no rosbag2 folder and no .mcap or .db3 file")
    notes = Notes()
    try:
        with Bag(source) as bag:
            image = bag.find_image(settings.image)
            info = bag.find_camera_info(image, settings.camera_info)
            depth = find_depth(bag, image, settings.depth)
            duration_s = bag.duration_s
    except BagError as error:
        raise DataError(str(error), "bag") from error
    if depth is None:
        notes.add("bags without a depth image that is registered with the camera (setting depth)", source.name)
    total = min(image.count, int(duration_s / settings.every) + 1 if settings.every > 0 else image.count)
    return Labelled(
        _pictures(source, image, info, depth, settings, notes), notes=notes, total=total, keeps_unlabelled=True,
        origin={"topic": image.name},
    )  # fmt: skip


def _pictures(source: Path, image: Topic, info: Topic | None, depth: Topic | None, settings: Settings, notes: Notes) -> Iterator[Picture]:
    try:
        with Bag(source) as bag:
            yield from _Reader(bag, image, info, depth, settings, notes).pictures()
    except BagError as error:
        raise DataError(str(error), "bag") from error


class _Reader:
    """Goes through the bag once; a picture waits until its depth must have come."""

    def __init__(self, bag: Bag, image: Topic, info: Topic | None, depth: Topic | None, settings: Settings, notes: Notes) -> None:
        self._bag, self._image, self._info_topic, self._depth_topic = bag, image, info, depth
        self._settings, self._notes = settings, notes
        self._transforms = BagTransforms(bag, lambda text: notes.add("transforms that can't be used", text))
        self._fixed = settings.fixed_frame
        self._last_ns: int | None = None
        self._last_hash: int | None = None
        self._depths: deque[tuple[int, Any]] = deque(maxlen=60)
        self._waiting: deque[tuple[int, int, Any, Any]] = deque()
        self._video = bag.video(image) if image.type in VIDEO else None

    def pictures(self) -> Iterator[Picture]:
        topics = [topic.name for topic in (self._image, self._info_topic, self._depth_topic) if topic is not None]
        # The first calibration also holds for the images before it.
        info = next(map(self._bag.deserialize, self._bag.messages(self._info_topic.name)), None) if self._info_topic else None
        for recorded in self._bag.messages(*topics):
            try:
                message = self._bag.deserialize(recorded)
            except BagError as error:
                self._notes.add("messages that can't be read, left out", error)
                continue
            if recorded.topic == self._image.name:
                for time_ns, image in self._images(recorded, message):
                    if self._is_wanted(image):
                        self._waiting.append((time_ns, stamp_ns(_message(image)), image, info))
            elif self._depth_topic is not None and recorded.topic == self._depth_topic.name:
                self._depths.append((stamp_ns(message), message))
            else:
                info = message
            yield from self._ready(recorded.time_ns)
        if self._video is not None:
            for shown in self._video.rest():
                if self._is_wanted(shown):
                    self._waiting.append((shown.time_ns, stamp_ns(shown.packet), shown, info))
        yield from self._ready(None)

    def _images(self, recorded: BagMessage, message: Any) -> Iterator[tuple[int, Any]]:
        """When it was recorded and what holds it, of each image that is known with this message: one, but of video."""
        if self._video is None:
            yield recorded.time_ns, message
            return
        for shown in self._video.frames(recorded.time_ns, packet_of(message, recorded.type)):
            if shown.picture is None:
                self._notes.add("packets of video without a picture, left out", shown.problem)
            else:
                yield shown.time_ns, shown

    def _is_wanted(self, image: Any) -> bool:
        stamp = stamp_ns(_message(image))
        if self._last_ns is not None and 0 <= stamp - self._last_ns < self._settings.every * _SECOND_NS - 1000:
            return False
        if self._settings.novelty:
            rgb = self._decoded(image)
            if rgb is None:
                return False
            value = perceptual_hash(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
            if value is None or (self._last_hash is not None and (value ^ self._last_hash).bit_count() < self._settings.novelty):
                return False
            self._last_hash = value
        self._last_ns = stamp
        return True

    def _ready(self, now_ns: int | None) -> Iterator[Picture]:
        """Pictures whose depth has come, or whose second has passed."""
        tolerance_ns = int(self._settings.tolerance * _SECOND_NS)
        while self._waiting:
            time_ns, stamp, image, info = self._waiting[0]
            has_come = self._depth_topic is None or any(other >= stamp + tolerance_ns or other == stamp for other, _ in self._depths)
            if not has_come and now_ns is not None and now_ns - time_ns < _SECOND_NS:
                return
            self._waiting.popleft()
            picture = self._picture(time_ns, stamp, image, info, tolerance_ns)
            if picture is not None:
                yield picture

    def _picture(self, time_ns: int, stamp: int, image: Any, info: Any, tolerance_ns: int) -> Picture | None:
        pixels = self._pixels(image)
        if pixels is None:
            return None
        height, width = self._size(pixels)
        camera, rectify = self._camera(info, width, height)
        depth_m = self._depth(stamp, tolerance_ns)
        if rectify is not None:
            pixels = rectify(pixels if isinstance(pixels, np.ndarray) else self._decoded(image))
            if depth_m is not None:
                self._notes.add("depth beside a lens that is bent back, left out: it is of the bent picture", str(stamp))
                depth_m = None
        if depth_m is not None and depth_m.shape != (height, width):
            self._notes.add("depth images of another size than the picture, left out", f"{depth_m.shape[1]}x{depth_m.shape[0]}")
            depth_m = None
        extra: dict[str, Any] = {"stamp_ns": stamp}
        pose = self._pose(time_ns, stamp, _message(image).header.frame_id)
        if pose is not None:
            extra["pose"] = pose
        return Picture(
            name=f"{self._bag.path.stem}/{stamp:020d}.jpg",
            image=Held(pixels),
            group=self._bag.path.stem,
            depth=None if depth_m is None else Held(depth_m),
            camera=camera,
            labels_are_upright=False,
            extra=extra,
            where=self._image.name,
        )

    def _pixels(self, image: Any) -> ImageBytes | np.ndarray | None:
        """A JPEG as it was recorded; anything else decoded."""
        if self._image.type == COMPRESSED_IMAGE and "jp" in image.format.lower() and "bayer" not in image.format.lower():
            found = ImageBytes(bytes(image.data), f"{self._image.name} at {stamp_ns(image)}")
            try:
                read_header(found)
            except DataError as error:
                self._notes.add("pictures that can't be decoded, left out", error)
                return None
            return found
        return self._decoded(image)

    def _size(self, pixels: ImageBytes | np.ndarray) -> tuple[int, int]:
        if isinstance(pixels, np.ndarray):
            return pixels.shape[:2]
        header = read_header(pixels)
        return header.height, header.width

    def _decoded(self, image: Any) -> np.ndarray | None:
        if isinstance(image, VideoFrame):
            assert image.picture is not None
            return image.picture.to_rgb()
        try:
            return (image_to_rgb if self._image.type == IMAGE else compressed_image_to_rgb)(image)
        except ValueError as error:
            self._notes.add("pictures that can't be decoded, left out", error)
            return None

    def _camera(self, info: Any, width: int, height: int) -> tuple[Intrinsics | None, Any]:
        if info is None:
            return None, None
        try:
            found = calibrate(info, width, height, rectified="rect" in self._image.name, rectify=self._settings.rectify == "yes")
        except ValueError as error:
            self._notes.add("camera_info that can't be used", error)
            return None, None
        if found.warning:
            self._notes.add("pictures of a lens that bends, taken as they are (setting rectify=yes)", self._image.name)
        return found.intrinsics, found.rectify

    def _depth(self, stamp: int, tolerance_ns: int) -> np.ndarray | None:
        near = min(self._depths, key=lambda pair: abs(pair[0] - stamp), default=None)
        if near is None or abs(near[0] - stamp) > tolerance_ns:
            if self._depth_topic is not None:
                self._notes.add(f"pictures without a depth image within {self._settings.tolerance:g} s", str(stamp))
            return None
        return self._metres(near[1])

    def _metres(self, message: Any) -> np.ndarray | None:
        try:
            return measured_metres(message)
        except ConversionError as error:
            self._notes.add("depth images that can't be read, left out", error)
            return None

    def _pose(self, time_ns: int, stamp: int, frame: str) -> dict[str, Any] | None:
        self._transforms.advance(time_ns)
        for fixed in (self._fixed,) if self._fixed else _FIXED_FRAMES:
            try:
                transform = self._transforms.buffer.lookup(fixed, frame, stamp)
            except TransformError as error:
                reason = error
                continue
            self._fixed = fixed
            return {
                "frame": fixed,
                "position_m": transform[:3, 3].round(6).tolist(),
                "quaternion_xyzw": quaternion_xyzw(transform[:3, :3]).round(7).tolist(),
            }
        if self._fixed or "/tf" in self._bag.topics:
            self._notes.add("pictures without a pose", reason)
        return None


def _message(image: Any) -> Any:
    """Returns the one that has the header: a message, or of video its packet."""
    return image.packet if isinstance(image, VideoFrame) else image
