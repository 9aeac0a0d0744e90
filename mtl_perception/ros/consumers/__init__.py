# SPDX-License-Identifier: Apache-2.0
"""Configuration of what reads our topics, made to fit a model: costmaps of Nav2, the octomap of MoveIt."""
