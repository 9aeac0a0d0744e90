# SPDX-License-Identifier: Apache-2.0
"""MCAP as the storage of a bag."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from mcap.reader import SeekingReader
from mcap.records import Channel as ChannelRecord
from mcap.records import Message, Schema, Statistics
from mcap.stream_reader import StreamReader
from mcap.summary import Summary

from mtl_perception.bags.storage import Channel, DamagedFile, Definition, Recorded

_MAGIC = b"\x89MCAP0\r\n"
_FOOTER_BYTES = 37
"""Kind and length (9), where the summary and its offsets start (16), its checksum (4), the magic (8)."""


class McapFile:
    """An open ``.mcap`` file; see ``Storage``. Checksums of its chunks and of its summary are checked where it has them.

    Raises:
        DamagedFile: it is cut short, or its summary is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._stream = path, path.open("rb")
        try:
            self._require_whole()
            self._stream.seek(0)
            self._reader = SeekingReader(self._stream, validate_crcs=True)
            summary = self._reader.get_summary()
            if summary is None or not _says_enough(summary):
                summary = self._found_summary()
            self._is_indexed = bool(summary.chunk_indexes)
            statistics, schemas = summary.statistics, summary.schemas
            counts = statistics.channel_message_counts
            self.channels = [_channel(one, schemas.get(one.schema_id), counts.get(one.id, 0)) for one in summary.channels.values()]
            self.start_ns, self.end_ns = statistics.message_start_time, statistics.message_end_time
        except BaseException:
            self.close()
            raise

    def messages(self, channels: Collection[Channel]) -> Iterator[Recorded]:
        """Those of ``channels``, in the order of their time; a file without an index is read from its beginning to its end."""
        wanted = {channel.key: channel for channel in channels}
        if self._is_indexed:
            # It seeks before each chunk, so that several passes may go on side by side.
            topics = {channel.topic for channel in channels}
            found = (message for _, _, message in self._reader.iter_messages(topics))
        else:
            found = (record for record in self._records() if isinstance(record, Message))
        before_ns = 0
        for message in found:
            channel = wanted.get(message.channel_id)
            if channel is None:
                continue
            if message.log_time < before_ns:
                raise DamagedFile("has messages that are not in the order of time; 'mcap sort' puts them right")
            before_ns = message.log_time
            yield Recorded(message.log_time, channel, message.data)

    def close(self) -> None:
        self._stream.close()

    def _require_whole(self) -> None:
        size = self._stream.seek(0, os.SEEK_END)
        head, tail = self._read(0, len(_MAGIC)), self._read(max(0, size - len(_MAGIC)), len(_MAGIC))
        if head != _MAGIC[: len(head)]:
            raise DamagedFile(f"is no MCAP file: it starts with the bytes {head.hex(' ')}")
        if tail != _MAGIC or size < len(_MAGIC) + _FOOTER_BYTES:
            raise DamagedFile(
                "is truncated: it lacks the end of an MCAP file, as after a crash, in a broken copy, or while it is still "
                "recorded; copy it again, or repair it with 'mcap recover'"
            )
        self._require_whole_summary(size)

    def _require_whole_summary(self, size: int) -> None:
        footer = self._read(size - _FOOTER_BYTES, _FOOTER_BYTES)
        start, checksum = int.from_bytes(footer[9:17], "little"), int.from_bytes(footer[25:29], "little")
        if not start or not checksum:
            return
        end = size - len(_MAGIC) - 4  # all but the checksum itself and the magic
        if not len(_MAGIC) <= start < end or zlib.crc32(self._read(start, end - start)) != checksum:
            raise DamagedFile("has a damaged summary: its checksum is wrong; copy it again, or repair it with 'mcap recover'")

    def _read(self, offset: int, length: int) -> bytes:
        self._stream.seek(offset)
        return self._stream.read(length)

    def _found_summary(self) -> Summary:
        """The same from a pass over the whole file."""
        summary, counts = Summary(), Counter()
        start_ns, end_ns = None, 0
        for record in self._records():
            if isinstance(record, Schema):
                summary.schemas[record.id] = record
            elif isinstance(record, ChannelRecord):
                summary.channels[record.id] = record
            elif isinstance(record, Message):
                counts[record.channel_id] += 1
                start_ns = record.log_time if start_ns is None else min(start_ns, record.log_time)
                end_ns = max(end_ns, record.log_time)
        summary.statistics = Statistics(
            attachment_count=0,
            channel_count=len(summary.channels),
            channel_message_counts=dict(counts),
            chunk_count=0,
            message_count=sum(counts.values()),
            message_start_time=start_ns or 0,
            message_end_time=end_ns,
            metadata_count=0,
            schema_count=len(summary.schemas),
        )
        return summary

    def _records(self) -> Iterator[object]:
        with self._path.open("rb") as stream:
            yield from StreamReader(stream, validate_crcs=True).records


def _says_enough(summary: Summary) -> bool:
    """Whether a summary names every channel and counts its messages. A writer may leave out any part."""
    statistics = summary.statistics
    return (
        statistics is not None
        and len(summary.channels) >= statistics.channel_count
        and {channel.schema_id for channel in summary.channels.values()} <= {0, *summary.schemas}
        and set(statistics.channel_message_counts) <= set(summary.channels)
    )


def _channel(channel: ChannelRecord, schema: Schema | None, count: int) -> Channel:
    definition = None
    if schema is not None and schema.encoding:
        try:
            definition = Definition(schema.encoding, schema.data.decode())
        except UnicodeDecodeError:  # protobuf's and others' are no text
            definition = Definition(schema.encoding, None)
    name = schema.name if schema is not None else ""
    return Channel(channel.id, channel.topic, name, channel.message_encoding, definition, count)
