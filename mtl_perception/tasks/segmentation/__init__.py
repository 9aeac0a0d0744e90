# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation: one class per pixel."""
