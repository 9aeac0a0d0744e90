# SPDX-License-Identifier: Apache-2.0
"""What pydantic found wrong, as one line for people."""

from __future__ import annotations

from pydantic import ValidationError


def in_one_line(error: ValidationError, whole: str) -> str:
    """Each problem as "key: what is wrong"; one of the content as a whole stands under the name ``whole``."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or whole}: {e['msg']}" for e in error.errors())
