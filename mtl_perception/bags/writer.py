# SPDX-License-Identifier: Apache-2.0
"""Writing a bag that ``ros2 bag`` and Foxglove read: MCAP with checksums, message definitions and QoS."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from mcap.writer import CompressionType, Writer
from rosbags.typesys.store import Typestore

from mtl_perception.bags.error import BagError
from mtl_perception.bags.metadata import FILE_NAME
from mtl_perception.core.interrupts import held_back

_CHUNK_BYTES = 1 << 20
_INDEX_BYTES_OF_A_MESSAGE = 64
_INDEX_BYTES_OF_A_CHUNK = 256
_BYTES_BESIDE = 64 << 10
_FOREVER = {"sec": 9223372036, "nsec": 854775807}


class BagWriter:
    """A bag being written. ``close`` makes it whole, after an interruption or on a full disk too.

    Space for the end of the file, without which nobody reads it, is taken before each message is.

    Args:
        path: folder of the bag; must not exist.
        compressed: whether chunks are; not worth while for JPEGs.

    Attributes:
        counts: messages written, by topic.

    Raises:
        BagError: something exists at ``path`` already, or there is no space for anything.
        OSError: ``path`` can't be made.
    """

    def __init__(self, path: Path, *, compressed: bool = True) -> None:
        if path.exists():
            raise BagError(f"{path} exists already; choose another folder, or remove it")
        self.path = path
        self.counts: Counter[str] = Counter()
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._topics: list[dict[str, Any]] = []
        self._times_ns: tuple[int, int] | None = None
        self._is_broken = False
        self._written = self._pending_bytes = self._chunks = 0
        self._beside_bytes = _BYTES_BESIDE
        path.mkdir(parents=True)
        try:
            self._file = _ReservedFile(path / f"{path.name}.mcap", 1 << 20)
            self._metadata = _ReservedFile(path / f"{FILE_NAME}.part", 1 << 16)
            self._reserve(0)
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise BagError(f"{path} can't be written: {error.strerror}; free space there, or choose another folder") from error
        compression = CompressionType.ZSTD if compressed else CompressionType.NONE
        self._writer = Writer(self._file.stream, _CHUNK_BYTES, compression)
        self._writer.start("ros2")
        self._written = self._file.stream.tell()

    def add_topic(self, topic: str, kind: str, types: Typestore, *, latched: bool = False) -> None:
        """Make known a topic before its first message.

        Args:
            kind: its type, which ``types`` knows.
            latched: late subscribers get the last message too.

        Raises:
            BagError: there is no space for it.
        """
        definition, _ = types.generate_msgdef(kind, ros_version=2)
        type_hash, qos = types.hash_rihs01(kind), [_qos(latched)]
        with held_back():
            self._beside_bytes += 2 * len(definition) + 2 * len(topic) + 4096  # in the data and in the summary
            self._require_space(0)
            if kind not in self._schemas:
                self._schemas[kind] = self._writer.register_schema(kind, "ros2msg", definition.encode())
            described = {"offered_qos_profiles": yaml.safe_dump(qos, sort_keys=False).strip(), "topic_type_hash": type_hash}
            self._channels[topic] = self._writer.register_channel(topic, "cdr", self._schemas[kind], described)
            self._topics.append(
                {
                    "name": topic,
                    "type": kind,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": qos,
                    "type_description_hash": type_hash,
                }
            )

    def write(self, topic: str, time_ns: int, data: bytes) -> None:
        """Add one serialised message, recorded at ``time_ns``.

        Raises:
            BagError: there is no space for it; the messages before it are kept.
        """
        with held_back():
            self._require_space(len(data) + _INDEX_BYTES_OF_A_MESSAGE)
            try:
                self._writer.add_message(self._channels[topic], time_ns, data, time_ns)
            except OSError as error:  # of the disk itself, or a file system that can't keep its word
                self._is_broken = True
                raise self._unfinished(error) from error
            self.counts[topic] += 1
            first, last = self._times_ns or (time_ns, time_ns)
            self._times_ns = min(first, time_ns), max(last, time_ns)
            self._pending_bytes += len(data) + _INDEX_BYTES_OF_A_MESSAGE
            if (written := self._file.stream.tell()) != self._written:
                self._written, self._pending_bytes, self._chunks = written, 0, self._chunks + 1

    def close(self) -> None:
        """Write what is pending, the index and metadata.yaml; a bag without messages is removed with its folder.

        Raises:
            BagError: it could not be made whole.
        """
        with held_back():
            if not self.counts or self._is_broken:
                self._file.abandon()
                self._metadata.abandon()
                if not self.counts:
                    shutil.rmtree(self.path)
                return
            try:
                metadata = self._described()
                self._writer.add_metadata("rosbag2", {"serialized_metadata": yaml.safe_dump(metadata, sort_keys=False)})
                self._writer.finish()
                self._file.finish()
                text = yaml.safe_dump({"rosbag2_bagfile_information": metadata}, sort_keys=False)
                self._metadata.stream.write(text.encode())
                self._metadata.finish()
                self._metadata.path.replace(self.path / FILE_NAME)
            except OSError as error:
                raise self._unfinished(error) from error

    def _require_space(self, size: int) -> None:
        try:
            self._reserve(size)
        except OSError as error:
            kept = f"the {self.counts.total()} messages before are kept" if self.counts else "nothing was recorded"
            raise BagError(f"{self.path}: {error.strerror}; {kept}; free space, or choose another folder") from error

    def _unfinished(self, error: OSError) -> BagError:
        return BagError(f"{self.path} is unfinished: {error.strerror}; what is in it may be had with 'mcap recover {self._file.path}'")

    def _reserve(self, size: int) -> None:
        """Take the space of ``size`` more bytes and of all that closing adds. Raises OSError if there is none."""
        index_bytes = (self._chunks + 2) * (_INDEX_BYTES_OF_A_CHUNK + 16 * len(self._channels)) if self._channels else 0
        pending = self._pending_bytes + size
        # What can't be compressed grows by less than a hundredth.
        self._file.reserve(self._written + pending + pending // 100 + index_bytes + self._beside_bytes)
        self._metadata.reserve(self._beside_bytes)

    def _described(self) -> dict[str, Any]:
        """rosbag2's description of the bag, version 9."""
        first_ns, last_ns = self._times_ns  # pyright: ignore[reportGeneralTypeIssues]
        span = {"starting_time": {"nanoseconds_since_epoch": first_ns}, "duration": {"nanoseconds": last_ns - first_ns}}
        count = self.counts.total()
        return {
            "version": 9,
            "storage_identifier": "mcap",
            "relative_file_paths": [self._file.path.name],
            **span,
            "message_count": count,
            "topics_with_message_count": [{"topic_metadata": topic, "message_count": self.counts[topic["name"]]} for topic in self._topics],
            "compression_format": "",
            "compression_mode": "",
            "files": [{"path": self._file.path.name, **span, "message_count": count}],
            "custom_data": None,
            "ros_distro": "",
        }


class _ReservedFile:
    """A file that has its space on the disk, in steps of ``step`` bytes, before there is something to write."""

    def __init__(self, path: Path, step: int) -> None:
        self.path, self.stream = path, path.open("xb")
        self._step, self._reserved = step, 0

    def reserve(self, size: int) -> None:
        """Take space up to ``size`` bytes from the beginning. Raises OSError if there is none, or files can't be so large."""
        if size > self._reserved:
            wanted = -(-size // self._step) * self._step
            os.posix_fallocate(self.stream.fileno(), self._reserved, wanted - self._reserved)
            self._reserved = wanted

    def abandon(self) -> None:
        """Close without what is pending."""
        try:
            self.stream.close()
        except OSError:
            pass  # it was told when it was met

    def finish(self) -> None:
        """Write what is pending, give back the space behind it, and close."""
        with self.stream:
            self.stream.flush()
            self.stream.truncate()
            os.fsync(self.stream.fileno())


def _qos(latched: bool) -> dict[str, Any]:
    return {
        "history": "keep_last",
        "depth": 1 if latched else 10,
        "reliability": "reliable",
        "durability": "transient_local" if latched else "volatile",
        "deadline": dict(_FOREVER),
        "lifespan": dict(_FOREVER),
        "liveliness": "automatic",
        "liveliness_lease_duration": dict(_FOREVER),
        "avoid_ros_namespace_conventions": False,
    }
