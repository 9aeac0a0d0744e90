# SPDX-License-Identifier: Apache-2.0
"""Names of nodes and cameras as users give them, checked before topics are made of them. Needs no ROS."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mtl_perception.core.foreign_text import cut

_CAMERA = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")
_NODE = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)+")
_CHARACTERS = "letters, digits and single underscores, a letter first"


def check_cameras(cameras: Sequence[str]) -> str | None:
    """Why ``cameras`` can't be the node's parameter of this name; None if it can."""
    for number, name in enumerate(cameras):
        if not _CAMERA.fullmatch(name):
            return (
                f"cameras has {cut(name)!r}, expected names that can stand in a topic: {_CHARACTERS}; "
                "for one camera on ~/image leave cameras empty: []"
            )
        if name in cameras[:number]:
            return f"cameras has {name!r} twice, expected a name of its own for each camera"
    return None


def topics_of(node: str, camera: str = "") -> str:
    """Returns the name that those of the topics of ``node``, or of one of its cameras, begin with: ``/perception``, ``/perception/front``.

    Raises:
        ValueError: ``node`` is no full name, or ``camera`` can't be the name of one.
    """
    if not _NODE.fullmatch(node):
        raise ValueError(f"node is {cut(node)!r}, expected its full name, such as /perception")
    if camera and not _CAMERA.fullmatch(camera):
        raise ValueError(f"camera is {cut(camera)!r}, expected one of the node's parameter cameras: {_CHARACTERS}")
    return f"{node}/{camera}" if camera else node
