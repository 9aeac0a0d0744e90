# SPDX-License-Identifier: Apache-2.0
"""Text from others (encodings, frame ids, class names, errors that quote them), cut to what a log line can hold."""

from __future__ import annotations

LONGEST = 100


def cut(text: object, longest: int = LONGEST) -> str:
    """``text`` on one line, with an ellipsis and its whole length behind the first ``longest`` characters if it has more.

    What does not print (line breaks, terminal escapes, half a surrogate pair) becomes a question mark, so that nobody writes
    lines of a log that is not theirs.
    """
    text = str(text)
    head = "".join(one if one.isprintable() else "?" for one in text[:longest])
    return head if len(text) <= longest else f"{head}… ({len(text)} characters)"
