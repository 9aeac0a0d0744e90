# SPDX-License-Identifier: Apache-2.0
"""The command ``mtl-perception``, as its script and ``python -m mtl_perception`` start it."""

from __future__ import annotations

from mtl_perception.core.interrupts import end_at_once


def main() -> None:
    """Run the command that the process's arguments name."""
    end_at_once()
    from mtl_perception.cli.app import app

    app()


if __name__ == "__main__":
    main()
