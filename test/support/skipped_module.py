# SPDX-License-Identifier: Apache-2.0
"""Files of tests that could not even be imported, for want of a package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest


class SkippedModule(pytest.Module):
    reason = ""

    def collect(self) -> list[pytest.Item]:
        pytest.skip(self.reason)


def skipped_without(package: str, reason: str, path: Path, parent: pytest.Collector) -> SkippedModule | None:
    """What ``pytest_pycollect_makemodule`` returns: None, so that the file is collected, if the package is installed."""
    if find_spec(package) is not None:
        return None
    module = SkippedModule.from_parent(parent, path=path)
    module.reason = reason
    return module
