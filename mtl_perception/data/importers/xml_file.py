# SPDX-License-Identifier: Apache-2.0
"""XML label files, with errors that name the file."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from mtl_perception.data.format import DataError


def read_xml(path: Path) -> ElementTree.Element:
    """Raises DataError: the file is missing or no XML."""
    try:
        return ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", "missing") from None
    except (ElementTree.ParseError, OSError, ValueError) as error:
        raise DataError(f"{path} is not valid XML: {error}", "unreadable") from error


def text_of(element: ElementTree.Element, name: str, default: str = "") -> str:
    found = element.findtext(name)
    return default if found is None else found.strip()


def number(text: str | None, where: str, what: str) -> float:
    """Raises DataError: it is none."""
    try:
        return float(text or "")
    except ValueError:
        raise DataError(f"{where}: {what} is '{(text or '')[:40]}', expected a number", "label file") from None
