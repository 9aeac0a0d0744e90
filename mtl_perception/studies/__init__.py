# SPDX-License-Identifier: Apache-2.0
"""Reports of experiments: whether sharing a network helps the tasks, and how the tasks get on with each other."""
