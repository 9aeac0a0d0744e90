# SPDX-License-Identifier: Apache-2.0
"""The environment of a process that runs the node, or starts one. Loads without ROS."""

from __future__ import annotations

import os

from mtl_perception.core.resources import resource


def require_ros() -> None:
    """Raises ImportError, with what to do, where ROS or the messages of this package are missing."""
    try:
        import mtl_perception.msg
        import mtl_perception.ros.node.node  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"this command needs ROS 2 and this package's messages ({error}); "
            "source the workspace in which it was built, or prefix the command with scripts/run"
        ) from None


def profile_variable() -> str:
    """Name of the variable by which Fast DDS finds its profile: version 3, of Kilted and later, has another than Jazzy's."""
    return "FASTRTPS_DEFAULT_PROFILES_FILE" if os.environ.get("ROS_DISTRO", "jazzy") == "jazzy" else "FASTDDS_DEFAULT_PROFILES_FILE"


def tuned_environment() -> dict[str, str]:
    """The environment with room for images in Fast DDS and in malloc; what is set already stays."""
    tuned = {
        profile_variable(): str(resource("config/fastdds.xml")),
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "8589934592",
    }
    return tuned | dict(os.environ)
