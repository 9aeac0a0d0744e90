# SPDX-License-Identifier: Apache-2.0
"""What the node costs beside its network, and how long it lasts: ``python -m mtl_perception.ros.benchmark.NAME --help``.

The camera and the reader are one process, the node another, over DDS as on a robot, whose installation is without these.
"""
