# SPDX-License-Identifier: Apache-2.0
"""A linear layer whose weight stands still, in four bits if wanted, beside a low-rank one that learns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NF4_BLOCK = 64
"""Weights that share a scale; QLoRA's choice."""


class _Frozen:
    """A weight that every copy of a layer shares: the running average of a network needs none of its own.

    Attributes:
        weight: (out, in), an ordinary tensor or torchao's NF4Tensor.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight

    def unpacked(self) -> Tensor:
        """(out, in) float32."""
        return self.weight if type(self.weight) is Tensor else unpack_nf4(self.weight)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Frozen:
        return self


class _FrozenLinear(torch.autograd.Function):
    """x Wᵀ + b for a packed W, which is unpacked for each use and never kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, frozen: _Frozen, bias: Tensor | None) -> Tensor:
        ctx.frozen = frozen
        return F.linear(x, frozen.unpacked().to(x.dtype), bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient @ ctx.frozen.unpacked().to(gradient.dtype), None, None


class LowRankLinear(nn.Module):
    """y = W x + b + α/r · B A x, where only A (r × in) and B (out × r) are trained (LoRA, Hu et al., ICLR 2022).

    W may be stored as 4-bit NormalFloat with scales that are quantised too (QLoRA, Dettmers et al., NeurIPS 2023). It is
    then unpacked whenever it is used, forward and backward. B begins at 0, so the layer begins as the one it stands for.

    Args:
        layer: what it stands for; its bias stands still too.
        rank: r.
        alpha: α.
        nf4: whether W is stored in four bits.
    """

    def __init__(self, layer: nn.Linear, rank: int, alpha: float, nf4: bool) -> None:
        super().__init__()
        self.scale = alpha / rank
        weight = layer.weight.detach()
        self._frozen = _Frozen(to_nf4(weight) if nf4 else weight)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach(), requires_grad=False)
        self.down = nn.Parameter(weight.new_empty(rank, layer.in_features))
        self.up = nn.Parameter(weight.new_zeros(layer.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) → (…, out)."""
        return _FrozenLinear.apply(x, self._frozen, self.bias) + F.linear(F.linear(x, self.down) * self.scale, self.up)

    def merged_weight(self) -> Tensor:
        """(out, in): W + α/r · B A."""
        return self._frozen.unpacked() + self.scale * (self.up @ self.down).detach()

    @property
    def weight(self) -> LowRankLinear:
        """Stands for the weight where a module takes it from its layer and multiplies by itself, as torchvision's
        window attention does."""
        return self

    @classmethod
    def __torch_function__(cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not F.linear or not isinstance(args[1], cls):
            return NotImplemented
        return args[1](args[0])

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> LowRankLinear:
        super()._apply(fn, recurse)
        self._frozen.weight = fn(self._frozen.weight)
        return self

    def get_extra_state(self) -> dict[str, Tensor]:
        """The frozen weight, as plain tensors."""
        weight = self._frozen.weight
        return {"weight": weight} if type(weight) is Tensor else {n: getattr(weight, n) for n in _inner_names(weight)}

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        weight = self._frozen.weight
        if type(weight) is Tensor:
            self._frozen.weight = state["weight"].to(weight.device)
            return
        for name in _inner_names(weight):
            setattr(weight, name, state[name].to(weight.device))


def to_nf4(weight: Tensor) -> Tensor:
    """A matrix as torchao's 4-bit tensor.

    Raises:
        ValueError: its number of values is no multiple of 64.
    """
    from torchao.quantization import to_nf4 as pack

    blocks, rest = divmod(weight.numel(), NF4_BLOCK)
    if rest:
        raise ValueError(f"a weight of shape {tuple(weight.shape)} can't be stored as NF4: its size is no multiple of {NF4_BLOCK}")
    # The scales are quantised in groups of 256, where torchao wants whole groups: few of Swin's matrices have those.
    group = max(size for size in range(1, min(256, blocks) + 1) if blocks % size == 0)
    return pack(weight.contiguous(), NF4_BLOCK, group)


def unpack_nf4(weight: Any) -> Tensor:
    """Returns what torchao's ``.to(float32)`` does, bit for bit, nine times as fast on a CPU: each byte is looked up as the pair
    of values that it stands for."""
    byte = torch.arange(256, device=weight.device)
    pairs = torch.stack([weight.nf4[byte >> 4], weight.nf4[byte & 15]], 1)
    # Two float32 are moved as one int64.
    values = pairs.view(torch.int64)[:, 0].index_select(0, weight.quantized_data.int()).view(torch.float32)
    scales = weight.dequantize_scalers(weight.quantized_scalers, weight.quantization_factor, weight.scaler_block_size)
    return values.view(-1, weight.block_size).mul_(scales[:, None]).view(weight.shape)


def _inner_names(weight: Tensor) -> list[str]:
    return weight.__tensor_flatten__()[0]
