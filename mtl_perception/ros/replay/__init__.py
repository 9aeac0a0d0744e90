# SPDX-License-Identifier: Apache-2.0
"""A bag through the node, over DDS or offline."""
