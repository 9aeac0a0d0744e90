# SPDX-License-Identifier: Apache-2.0
"""Records the outputs of the node into a bag."""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from mtl_perception.bags import BagError
from mtl_perception.bags.writer import BagWriter
from mtl_perception.ros.outputs.topics import TOPICS

LATCHED_TOPICS = tuple({topic.name.rpartition("/")[2] for topic in TOPICS.values() if topic.is_latched})
"""Last elements of topics that a late subscriber must get too."""

LEFT_OUT_TOPICS = tuple(topic.name for topic in TOPICS.values() if not topic.is_recorded)
"""Last elements of the node's topics that a replay doesn't record: they follow from the others, and clouds are large."""


class Recording:
    """A bag of the node's outputs being written; see ``BagWriter``. Masks in it are compressed to a tenth.

    Attributes:
        path: of its folder.
        types: definitions of what is written.

    Raises:
        BagError: something exists at ``path`` already, or there is no space for anything.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.types = path, MessageTypes()
        self._writer = BagWriter(path)
        self._topics: set[str] = set()

    def write(self, topic: str, msgtype: str, time_ns: int, data: bytes) -> None:
        """Add one serialised message, recorded at ``time_ns``.

        Raises:
            BagError: the disk is full, and what came before is kept; or the messages of a package are not installed.
        """
        if topic not in self._topics:
            is_latched = topic.rpartition("/")[2] in LATCHED_TOPICS
            self._writer.add_topic(topic, msgtype, self.types.of(msgtype), latched=is_latched)
            self._topics.add(topic)
        self._writer.write(topic, time_ns, data)

    @property
    def count(self) -> int:
        """Messages written."""
        return self._writer.counts.total()

    def close(self) -> None:
        """Make it whole, after an interruption too; an empty one is removed."""
        self._writer.close()


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
            raise BagError(f"the messages of {package} are not installed; source the workspace that has them") from None
        for file in sorted(folder.glob("*.msg")):
            name = f"{package}/msg/{file.stem}"
            if name not in self._typestore.fielddefs:
                self._typestore.register(get_types_from_msg(file.read_text(encoding="utf-8"), name))
