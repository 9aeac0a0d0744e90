# SPDX-License-Identifier: Apache-2.0
"""Shared by the files of a bag, MCAP or SQLite."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

LAST_NS = 2**31 * 1_000_000_000
"""The end of ROS time, whose seconds have 32 bits. What says that it was recorded later is damaged."""


@dataclass(frozen=True)
class Definition:
    """A message type in the words of whoever recorded it.

    Attributes:
        language: ros2msg, ros2idl, or anything else that a stranger wrote.
        text: the type and all that it is made of; None where it is no text.
    """

    language: str
    text: str | None


@dataclass(frozen=True)
class Channel:
    """Messages of one publisher.

    Attributes:
        key: of the channel in its file.
        encoding: of its messages; ROS 2 knows cdr alone.
        definition: None where the file has none.
        count: of messages, as the file counts them.
    """

    key: int
    topic: str
    type: str
    encoding: str
    definition: Definition | None
    count: int


class Recorded(NamedTuple):
    """One message as it lies in a file, and when it was recorded (nanoseconds since the epoch)."""

    time_ns: int
    channel: Channel
    data: bytes


class DamagedFile(Exception):
    """A file that is no whole bag; the text goes on after its name."""


class Storage(Protocol):
    """One open file of a bag.

    Attributes:
        channels: all of them, also those without messages.
        start_ns, end_ns: of the first and the last message; both 0 where there is none.
    """

    channels: list[Channel]
    start_ns: int
    end_ns: int

    def messages(self, channels: Collection[Channel]) -> Iterator[Recorded]:  # pyright: ignore[reportReturnType]
        """Those of ``channels``, in the order of their time.

        Raises:
            Exception: whatever the parser of the storage raises for a damaged file.
        """

    def close(self) -> None: ...
