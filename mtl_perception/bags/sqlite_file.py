# SPDX-License-Identifier: Apache-2.0
"""SQLite as the storage of a bag."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import quote

from mtl_perception.bags.storage import Channel, DamagedFile, Definition, Recorded


class SqliteFile:
    """An open ``.db3`` file; see ``Storage``. SQLite has no checksums: a changed byte inside of a message can't be seen.

    Raises:
        DamagedFile: it is no bag's database.
        sqlite3.Error: it is damaged.
    """

    def __init__(self, path: Path) -> None:
        # What a recorder that is at work, or died, left beside the file belongs to it: with "immutable" it would be overlooked.
        has_more = any(_size(path.with_name(path.name + ending)) for ending in ("-wal", "-journal"))
        self._database = sqlite3.connect(f"file:{quote(str(path))}?{'mode=ro' if has_more else 'immutable=1'}", uri=True)
        self._database.text_factory = lambda text: text.decode(errors="replace")
        try:
            self.channels, times_ns = self._read_channels()
        except BaseException:
            self.close()
            raise
        self.start_ns, self.end_ns = (min(times_ns), max(times_ns)) if times_ns else (0, 0)

    def messages(self, channels: Collection[Channel]) -> Iterator[Recorded]:
        by_key = {channel.key: channel for channel in channels}
        places = ", ".join("?" * len(by_key))
        rows = self._database.execute(
            f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({places}) ORDER BY timestamp, id", tuple(by_key)
        )
        for key, time_ns, data in rows:
            if not (isinstance(time_ns, int) and isinstance(data, bytes)):
                raise DamagedFile(f"has a message on {by_key[key].topic} without a time or without bytes")
            yield Recorded(time_ns, by_key[key], data)

    def close(self) -> None:
        self._database.close()

    def _read_channels(self) -> tuple[list[Channel], list[int]]:
        """The topics, and when the first and the last message of each were recorded."""
        tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"topics", "messages"} <= tables:
            raise DamagedFile("is a database, and no bag: it lacks the tables 'topics' and 'messages'")
        definitions = {}
        if "message_definitions" in tables:
            rows = self._database.execute("SELECT topic_type, encoding, encoded_message_definition FROM message_definitions")
            definitions = {name: Definition(str(language), text) for name, language, text in rows if isinstance(text, str)}
        counts, times_ns = {}, []
        for key, count, start_ns, end_ns in self._database.execute(
            "SELECT topic_id, COUNT(*), MIN(timestamp), MAX(timestamp) FROM messages GROUP BY topic_id"
        ):
            if not (isinstance(start_ns, int) and isinstance(end_ns, int)):
                raise DamagedFile("has messages without a time")
            counts[key] = count
            times_ns += [start_ns, end_ns]
        topics = self._database.execute("SELECT id, name, type, serialization_format FROM topics ORDER BY id").fetchall()
        if strays := set(counts) - {key for key, *_ in topics}:
            raise DamagedFile(f"has messages of topics that it does not name ({sorted(map(str, strays))[:3]})")
        return [
            Channel(key, str(name), str(kind), str(encoding), definitions.get(kind), counts.get(key, 0))
            for key, name, kind, encoding in topics
        ], times_ns


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
