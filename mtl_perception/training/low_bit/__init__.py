# SPDX-License-Identifier: Apache-2.0
"""Fewer bits: eight for the weights and activations of an exported network, four for weights that stand still in training."""
