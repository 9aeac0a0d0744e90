# SPDX-License-Identifier: Apache-2.0
"""What is measured: one module a section, each of which plans its measurements."""
