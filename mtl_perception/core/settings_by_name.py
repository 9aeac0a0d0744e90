# SPDX-License-Identifier: Apache-2.0
"""Sections of a configuration that are one of several methods, by name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BeforeValidator

from mtl_perception.core.validation_text import did_you_mean, shown


def by_name(what: str, known: Collection[str]) -> BeforeValidator:
    """Lets ``section: NAME`` stand for ``section: {method: NAME}``, and lists the ``known`` names where another one is given.

    Args:
        what: the section's name in messages.
    """

    def expand(value: Any) -> Any:
        content = {"method": value} if isinstance(value, str) else value
        method = content.get("method") if isinstance(content, dict) else getattr(content, "method", None)
        if method not in known:
            raise ValueError(f"{what} {shown(method)} is not known; expected one of: {', '.join(known)}{did_you_mean(method, known)}")
        return content

    return BeforeValidator(expand)
