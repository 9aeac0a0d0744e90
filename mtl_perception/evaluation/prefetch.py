# SPDX-License-Identifier: Apache-2.0
"""Reading ahead: the next images are decoded while the network looks at this one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue
from typing import TypeVar

T = TypeVar("T")

_LOOK_UP_S = 0.1
"""How often the reading thread looks whether anybody still wants its items."""


def prefetched(items: Iterable[T], ahead: int = 4) -> Iterator[T]:
    """The same items, up to ``ahead`` of them read in advance by one thread.

    What reading raises is raised here, after the items before it. The thread ends when the iterator is closed.
    """
    queue: Queue[tuple[T | None, BaseException | None]] = Queue(ahead)
    ended = threading.Event()

    def put(entry: tuple[T | None, BaseException | None]) -> bool:
        while not ended.is_set():
            try:
                queue.put(entry, timeout=_LOOK_UP_S)
                return True
            except Full:
                pass
        return False

    def read() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
        except BaseException as error:  # raised again where the items are used
            put((None, error))
            return
        put((None, StopIteration()))

    thread = threading.Thread(target=read, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        ended.set()
        while thread.is_alive():
            try:
                queue.get_nowait()
            except Empty:
                thread.join(_LOOK_UP_S)
