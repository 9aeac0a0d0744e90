# SPDX-License-Identifier: Apache-2.0
"""Object detection: anchor-free, one prediction per cell of three pyramid levels."""
