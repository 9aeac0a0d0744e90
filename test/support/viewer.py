# SPDX-License-Identifier: Apache-2.0
"""What the Foxglove app does with a server: subscribe over a WebSocket, decode by the schemas that it is sent."""

from __future__ import annotations

import base64
import json
import struct
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from websockets.sync.client import ClientConnection, connect

_DATA, _DATA_HEAD = 1, "<BIQ"  # opcode, subscription, time in ns


class Viewer:
    """A viewer of ``ws://127.0.0.1:port``.

    Attributes:
        channels: by topic, as advertised.
        seen: by topic, the decoded messages; bytes where they are no protobuf.
    """

    def __init__(self, port: int) -> None:
        opening = connect(f"ws://127.0.0.1:{port}", subprotocols=["foxglove.sdk.v1"], max_size=None, open_timeout=300)
        self._open = ExitStack()
        self._socket: ClientConnection = self._open.enter_context(opening)
        self.channels: dict[str, dict[str, Any]] = {}
        self.seen: dict[str, list[Any]] = defaultdict(list)
        self._decode: dict[str, Callable[[bytes], Any]] = {}

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def subscribe(self, *topics: str) -> None:
        """To topics, once they are advertised."""
        end_s = time.monotonic() + 300
        while not set(topics) <= set(self.channels):
            assert time.monotonic() < end_s, f"{topics} expected, advertised are {sorted(self.channels)}"
            self.look()
        subscriptions = [{"id": self.channels[topic]["id"], "channelId": self.channels[topic]["id"]} for topic in topics]
        self._socket.send(json.dumps({"op": "subscribe", "subscriptions": subscriptions}))

    def unsubscribe(self, *topics: str) -> None:
        ids = [self.channels[topic]["id"] for topic in topics]
        self._socket.send(json.dumps({"op": "unsubscribe", "subscriptionIds": ids}))

    def look(self, duration_s: float = 0.05) -> None:
        """Take in what arrives."""
        end_s = time.monotonic() + duration_s
        while (left_s := end_s - time.monotonic()) > 0:
            try:
                message = self._socket.recv(timeout=left_s)
            except TimeoutError:
                return
            if isinstance(message, str):
                self._told(json.loads(message))
            elif message[0] == _DATA:
                self._saw(message)

    def _told(self, message: dict[str, Any]) -> None:
        for channel in message.get("channels", []):
            self.channels[channel["topic"]] = channel

    def _saw(self, message: bytes) -> None:
        _, number, _ = struct.unpack_from(_DATA_HEAD, message)
        (topic,) = (topic for topic, channel in self.channels.items() if channel["id"] == number)
        if topic not in self._decode:
            self._decode[topic] = _decoder(self.channels[topic])
        self.seen[topic].append(self._decode[topic](message[struct.calcsize(_DATA_HEAD) :]))


def _decoder(channel: dict[str, Any]) -> Callable[[bytes], Any]:
    if channel["encoding"] != "protobuf":
        return bytes
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(base64.b64decode(channel["schema"])).file:
        pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(channel["schemaName"])).FromString
