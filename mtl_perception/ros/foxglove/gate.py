# SPDX-License-Identifier: Apache-2.0
"""Lets a limited number of viewers through to a server on this machine, which itself takes any number."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time

_CHUNK = 65536
_SILENT_S = 10.0
_CLOSE_S = 5.0
_LOG_EVERY_S = 10.0
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Gate:
    """Listens from construction on and serves between ``start`` and ``stop``, on a thread of its own.

    Args:
        host, port: where viewers come; a port of 0 for any that is free.
        most: viewers at a time. One more is told that the service is unavailable.

    Raises:
        OSError, OverflowError: host and port can't be had.
    """

    def __init__(self, host: str, port: int, most: int) -> None:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self._socket = socket.create_server(address[:2], family=family)
        self._most, self._viewers = most, 0
        self._log = logging.getLogger(__name__)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="foxglove gate", daemon=True)

    @property
    def port(self) -> int:
        return self._socket.getsockname()[1]

    def start(self, server_port: int) -> None:
        """Let viewers through to 127.0.0.1:``server_port``."""
        self._thread.start()
        serving = asyncio.start_server(lambda reader, writer: self._serve(server_port, reader, writer), sock=self._socket)
        asyncio.run_coroutine_threadsafe(serving, self._loop).result()

    def stop(self) -> None:
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._cancel(), self._loop).result(_CLOSE_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CLOSE_S)
        self._socket.close()

    async def _serve(self, server_port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._viewers >= self._most:
            self._log.warning("a viewer was turned away: %d look already, see --viewers", self._most)
            writer.write(_FULL)
            writer.close()
            return
        self._viewers += 1
        try:
            # Who connects and says nothing is not to keep others out.
            first = await asyncio.wait_for(reader.read(_CHUNK), _SILENT_S)
            if first:
                await self._forward(server_port, first, reader, writer)
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            self._viewers -= 1
            writer.close()

    @staticmethod
    async def _forward(server_port: int, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", server_port)
        to_server.write(first)
        ways = [asyncio.ensure_future(_copy(*way)) for way in ((reader, to_server), (from_server, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            to_server.close()

    async def _cancel(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end, and no faster than is read at the other end: the server drops what a slow viewer has no time for."""
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()


class OneLineOfAKind(logging.Filter):
    """One message in ten seconds from each place in the code: a viewer can ask for 2000 channels that there are not."""

    def __init__(self) -> None:
        super().__init__()
        self._last_s: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place, now_s = (record.name, record.lineno), time.monotonic()
        if now_s - self._last_s.get(place, -_LOG_EVERY_S) < _LOG_EVERY_S:
            return False
        self._last_s[place] = now_s
        return True
