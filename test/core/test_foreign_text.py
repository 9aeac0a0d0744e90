# SPDX-License-Identifier: Apache-2.0
import pytest

from mtl_perception.core.foreign_text import LONGEST, cut


def test_what_is_short_stays():
    assert cut("bgr8") == "bgr8"
    assert cut("Küche 厨房") == "Küche 厨房"
    assert cut("x" * LONGEST) == "x" * LONGEST


def test_what_is_long_is_cut_and_says_how_long_it_was():
    said = cut("x" * 5_000_000)
    assert said == "x" * LONGEST + "… (5000000 characters)"


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\x1bb", "a\0b", "a\ud800b", "a\u2028b", "a\x9bb"])
def test_what_does_not_print_cannot_forge_a_line(text):
    assert cut(text) == "a?b"
    cut(text).encode()


def test_errors_are_taken_as_they_read():
    assert cut(ValueError("no\nway"), longest=4) == "no?w… (6 characters)"
