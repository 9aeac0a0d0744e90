# SPDX-License-Identifier: Apache-2.0
"""Which class of network serves which kind of sharing."""

from __future__ import annotations

from mtl_perception.model.network import MultiTaskNetwork
from mtl_perception.model.sharing.attention import AttentionNetwork
from mtl_perception.model.sharing.distillation import DistillationNetwork
from mtl_perception.model.sharing.experts import MixtureNetwork, ProgressiveNetwork
from mtl_perception.model.sharing.grouped import CrossStitchNetwork, GroupedNetwork, SoftNetwork

NETWORKS: dict[str, type[MultiTaskNetwork]] = {
    "hard": MultiTaskNetwork,
    "soft": SoftNetwork,
    "cross_stitch": CrossStitchNetwork,
    "clustered": GroupedNetwork,
    "mtan": AttentionNetwork,
    "mmoe": MixtureNetwork,
    "ple": ProgressiveNetwork,
    "pad_net": DistillationNetwork,
}
