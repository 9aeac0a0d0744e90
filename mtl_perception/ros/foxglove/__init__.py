# SPDX-License-Identifier: Apache-2.0
"""A Foxglove server beside the node."""
