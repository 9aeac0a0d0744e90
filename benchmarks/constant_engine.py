# SPDX-License-Identifier: Apache-2.0
"""The tests' engine that returns constants, for benchmarks of the node: what remains is the node."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "test" / "support"))

from free_engine import FreeEngine

__all__ = ["FreeEngine"]
