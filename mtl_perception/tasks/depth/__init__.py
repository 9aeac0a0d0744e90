# SPDX-License-Identifier: Apache-2.0
"""Metric depth from one image, for any calibrated lens."""
