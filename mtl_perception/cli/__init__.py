# SPDX-License-Identifier: Apache-2.0
"""The command mtl-perception: one module a group of sub-commands."""
