# SPDX-License-Identifier: Apache-2.0
"""Checks a running node against what the readers of its topics rely on."""
