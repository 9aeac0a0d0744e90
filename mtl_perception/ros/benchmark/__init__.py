# SPDX-License-Identifier: Apache-2.0
"""Costs of the node beside its network, and its memory over hours: ``python -m mtl_perception.ros.benchmark.NAME --help``.

The camera and the reader are one process, the node another, over DDS as on a robot, whose installation is without these.
"""
