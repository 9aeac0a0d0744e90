# SPDX-License-Identifier: Apache-2.0
"""The table that an export prints."""

from __future__ import annotations

from collections.abc import Sequence

from mtl_perception.core.terminal_table import TerminalTable
from mtl_perception.inference.export.parity import Difference


def parity_table(differences: Sequence[Difference]) -> TerminalTable:
    """How each output differs from PyTorch's in float32."""
    table = TerminalTable(["output", "largest difference", "equal"], title="against PyTorch in float32, on a generated image")
    for difference in differences:
        table.add_row(difference.name, f"{difference.largest:.1e}", f"{100 * difference.equal:.2f} %")
    return table
