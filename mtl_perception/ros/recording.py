# SPDX-License-Identifier: Apache-2.0
"""Writes a bag that ``ros2 bag`` reads: MCAP with message definitions and QoS."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from mtl_perception.bags import BagError, recorded_qos

LATCHED_TOPICS = ("label_info",)
"""Last elements of topics that a late subscriber must get too."""

LEFT_OUT_TOPICS = ("points", "markers")
"""Last elements of the node's topics that a replay doesn't record: they follow from the others, and clouds are large."""


class Recording:
    """A bag being written. ``close`` makes it whole, after an interruption too; an empty one is removed.

    Attributes:
        counts: messages written, by topic.
        types: definitions of what is written.

    Raises:
        BagError: something exists at ``path`` already.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise BagError(f"{path} exists already; choose another folder, or remove it")
        self.path = path
        self.counts: Counter[str] = Counter()
        self._connections: dict[str, Connection] = {}
        self.types = MessageTypes()
        self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        # Masks shrink to a tenth; the chunks stay readable by ros2 bag and by Foxglove.
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()

    def write(self, topic: str, msgtype: str, time_ns: int, data: bytes) -> None:
        """Add one serialised message, recorded at ``time_ns``."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, msgtype, typestore=self.types.of(msgtype), offered_qos_profiles=[_qos_of(topic)]
            )
        self._writer.write(self._connections[topic], time_ns, data)
        self.counts[topic] += 1

    def close(self) -> None:
        """Write what is pending, the index and metadata.yaml."""
        if self.counts:
            self._writer.close()
        else:
            self._writer.abort()
            shutil.rmtree(self.path)


class MessageTypes:
    """Definitions of messages: ROS's own, and those of the installed packages that were asked for."""

    def __init__(self) -> None:
        self._typestore = get_typestore(Stores.ROS2_JAZZY)

    def of(self, msgtype: str) -> Typestore:
        """A type store that knows ``msgtype``.

        Raises:
            BagError: the package of the type is not installed.
        """
        if msgtype not in self._typestore.fielddefs:
            self._register_package(msgtype.split("/")[0])
        return self._typestore

    def _register_package(self, package: str) -> None:
        try:
            folder = Path(get_package_share_directory(package)) / "msg"
        except PackageNotFoundError:
            raise BagError(
                f"the messages of {package} are not installed; source the workspace that has them"
            ) from None
        for file in sorted(folder.glob("*.msg")):
            name = f"{package}/msg/{file.stem}"
            if name not in self._typestore.fielddefs:
                self._typestore.register(get_types_from_msg(file.read_text(encoding="utf-8"), name))


def _qos_of(topic: str) -> Qos:
    return recorded_qos(latched=topic.rpartition("/")[2] in LATCHED_TOPICS)
