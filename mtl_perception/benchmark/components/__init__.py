# SPDX-License-Identifier: Apache-2.0
"""Costs and accuracy of single components: ``python -m mtl_perception.benchmark.components.NAME --help``.

Measured where the package is developed, as ratios within one run; a robot's installation is without them.
"""
