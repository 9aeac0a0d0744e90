# SPDX-License-Identifier: Apache-2.0
"""Balancing: how the losses of several tasks become one gradient."""

from mtl_perception.training.balancing._base import Balancer, Settings
from mtl_perception.training.balancing._registry import METHODS, Balancing, build_balancer
from mtl_perception.training.balancing.fixed import Fixed

__all__ = ["METHODS", "Balancer", "Balancing", "Fixed", "Settings", "build_balancer"]
