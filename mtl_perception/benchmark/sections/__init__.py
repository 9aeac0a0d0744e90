# SPDX-License-Identifier: Apache-2.0
"""Measurements: one module a section, each of which plans its measurements."""
