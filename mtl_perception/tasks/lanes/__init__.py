# SPDX-License-Identifier: Apache-2.0
"""Masks that may overlap, such as the drivable area and the lane lines on it."""
