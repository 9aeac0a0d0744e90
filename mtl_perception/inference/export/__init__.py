# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to one file that holds the whole way from pixels to boxes, masks and depth."""
