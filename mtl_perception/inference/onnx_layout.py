# SPDX-License-Identifier: Apache-2.0
"""The content of an ONNX file, seen without building it in memory.

A parser makes an object of every two bytes of a file that was made for that; what such a file would need is found out here, by
skipping from length to length (protobuf's wire format).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Union

MOST_FIELDS = 2_000_000
"""An export has some ten thousands."""

_BULK = "bulk"
_Schema = dict[int, Union["_Schema", str]]
_TENSOR: _Schema = {9: _BULK}  # raw_data
_ATTRIBUTE: _Schema = {4: _BULK, 5: _TENSOR}  # a string, such as a TensorRT engine; a tensor
_GRAPH: _Schema = {1: {5: _ATTRIBUTE}, 5: _TENSOR}  # nodes with attributes; initialisers
_MODEL: _Schema = {7: _GRAPH}
_METADATA, _KEY, _VALUE = 14, 1, 2


class Layout(NamedTuple):
    """
    Attributes:
        metadata: of the model.
        bulk: bytes of weights.
        rest: all others.
    """

    metadata: dict[str, str]
    bulk: int
    rest: int


def read_layout(content: memoryview) -> Layout:
    """The layout of a serialised ``ModelProto``.

    Raises:
        ValueError: it is none.
    """
    walk = _Walk(content)
    metadata: dict[str, str] = {}
    bulk = 0
    for number, start, stop in walk.fields(0, len(content)):
        if number == _METADATA:
            entry = {part: bytes(content[a:b]) for part, a, b in walk.fields(start, stop)}
            metadata[entry.get(_KEY, b"").decode()] = entry.get(_VALUE, b"").decode()
        elif number in _MODEL:
            bulk += walk.bulk(_MODEL[number], start, stop)
    return Layout(metadata, bulk, len(content) - bulk)


class _Walk:
    def __init__(self, content: memoryview) -> None:
        self._content, self._seen = content, 0

    def bulk(self, schema: _Schema | str, start: int, stop: int) -> int:
        if isinstance(schema, str):
            return stop - start
        return sum(self.bulk(schema[number], a, b) for number, a, b in self.fields(start, stop) if number in schema)

    def fields(self, at: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Number, start and end of each field that has a length."""
        while at < stop:
            self._seen += 1
            if self._seen > MOST_FIELDS:
                raise ValueError(f"it has more than {MOST_FIELDS} parts")
            key, at = self._number(at, stop)
            kind = key & 7
            if kind == 0:
                _, at = self._number(at, stop)
            elif kind == 2:
                length, at = self._number(at, stop)
                if length > stop - at:
                    raise ValueError(f"a part of {length} bytes where {stop - at} are left")
                yield key >> 3, at, at + length
                at += length
            elif kind in (1, 5):
                at += 8 if kind == 1 else 4
            else:
                raise ValueError(f"a part of the unknown kind {kind}")
        if at > stop:
            raise ValueError("its last part is cut off")

    def _number(self, at: int, stop: int) -> tuple[int, int]:
        value = 0
        for place in range(10):
            if at + place >= stop:
                break
            byte = self._content[at + place]
            value |= (byte & 127) << (7 * place)
            if byte < 128:
                return value, at + place + 1
        raise ValueError("a number has no end")
