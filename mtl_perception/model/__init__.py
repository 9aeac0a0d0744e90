# SPDX-License-Identifier: Apache-2.0
"""The network: encoders, necks, heads shared or not, and the checkpoints that hold it."""
