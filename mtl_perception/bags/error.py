# SPDX-License-Identifier: Apache-2.0
"""Errors of bags."""

from __future__ import annotations


class BagError(ValueError):
    """A bag that can't be used; the text names the bag, what is wrong with it and what to do."""
