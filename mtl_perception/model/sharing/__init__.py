# SPDX-License-Identifier: Apache-2.0
"""Sharing: how much of a network the tasks have in common.

The settings stand here, so that an architecture can name them; the networks follow in modules of their own.
"""

from mtl_perception.model.sharing.settings import SHARINGS, Clustered, CrossStitch, Hard, Sharing, Soft

__all__ = ["SHARINGS", "Clustered", "CrossStitch", "Hard", "Sharing", "Soft"]
