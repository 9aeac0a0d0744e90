# SPDX-License-Identifier: Apache-2.0
"""Instances: a mask for each detection."""
