# SPDX-License-Identifier: Apache-2.0
"""Labelled images: reading, augmentation, batches."""
