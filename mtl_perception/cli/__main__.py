# SPDX-License-Identifier: Apache-2.0
"""``python -m mtl_perception.cli``, the same command as ``python -m mtl_perception``."""

from mtl_perception.__main__ import main

if __name__ == "__main__":
    main()
