# SPDX-License-Identifier: Apache-2.0
"""The headers of a Theora stream (Theora specification, chapter 6): three packets, without which no other can be decoded.

``theora_image_transport`` sends them once, before its first picture, to whoever listens then.
"""

from __future__ import annotations

import struct

_KINDS = (0x80, 0x81, 0x82)
"""First bytes of the packets that identify the stream, comment on it, and set up the decoder."""
_NAME = b"theora"
_LARGEST = 0xFFFF
"""Bytes of one of them, as the decoder's format for all three has it."""


class TheoraHeaders:
    """Collects them as they come."""

    def __init__(self) -> None:
        self._packets: dict[int, bytes] = {}

    def add(self, data: bytes) -> bool:
        """Whether something new is known: the first of its kind, or another than before."""
        kind, is_known = data[0], self._packets.get(data[0]) == data
        self._packets[kind] = data
        return not is_known

    @property
    def extradata(self) -> bytes | None:
        """All three as FFmpeg's decoder wants them; None while one is missing."""
        if any(kind not in self._packets for kind in _KINDS):
            return None
        return b"".join(struct.pack(">H", len(self._packets[kind])) + self._packets[kind] for kind in _KINDS)


def is_theora_header(data: bytes) -> bool:
    """Whether a packet of a Theora stream is one of its headers."""
    return data[:1] != b"" and data[0] in _KINDS and data[1:7] == _NAME and len(data) <= _LARGEST
