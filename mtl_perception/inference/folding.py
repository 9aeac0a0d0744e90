# SPDX-License-Identifier: Apache-2.0
"""Batch norms become part of the convolutions before them."""

from __future__ import annotations

from torch import nn

from mtl_perception.model.network import MultiTaskNetwork


def fold_batch_norms(network: MultiTaskNetwork) -> MultiTaskNetwork:
    """Put every batch norm that follows a convolution into that convolution's weights; in place, evaluation mode only."""
    for parent in network.modules():
        convolution: tuple[str, nn.Conv2d] | None = None
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d) and convolution is not None and convolution[1].out_channels == child.num_features:
                fused = nn.utils.fuse_conv_bn_eval(convolution[1], child)
                setattr(parent, convolution[0], fused)
                # timm's batch norms hold the activation behind them.
                setattr(parent, name, getattr(child, "act", None) or nn.Identity())
            convolution = (name, child) if isinstance(child, nn.Conv2d) else None
    return network
