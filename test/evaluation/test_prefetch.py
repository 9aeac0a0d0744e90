# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from mtl_perception.evaluation.prefetch import prefetched


def reading():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_items_keep_their_order():
    assert list(prefetched(range(50), ahead=2)) == list(range(50))


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise ValueError("third.png is broken")

    seen = []
    with pytest.raises(ValueError, match=r"third\.png"):
        for item in prefetched(items()):
            seen.append(item)
    assert seen == [1, 2]


def test_reading_stays_a_few_items_ahead_and_ends_when_nobody_wants_more():
    read = []

    def items():
        for item in range(1000):
            read.append(item)
            yield item

    ahead = prefetched(items(), ahead=3)
    assert next(ahead) == 0
    ahead.close()
    assert len(read) <= 1 + 3 + 2 and not reading()
