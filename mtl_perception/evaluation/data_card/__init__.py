# SPDX-License-Identifier: Apache-2.0
"""A page about a data set: what it holds, and which of its labels may be wrong."""
