# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path


def write_file(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` in one step: whoever reads meanwhile sees the old file or the new one.

    Raises:
        OSError: the disk is full, or the folder can't be written to; the error names the file, and nothing is left of it.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as JSON, in one step.

    Raises:
        OSError: as ``write_file``.
    """
    write_file(path, json.dumps(content, separators=(",", ":"), allow_nan=False).encode())
