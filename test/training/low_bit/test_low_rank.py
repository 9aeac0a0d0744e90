# SPDX-License-Identifier: Apache-2.0
import copy
import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.swin_transformer import ShiftedWindowAttention

from mtl_perception.training.low_bit.low_rank import LowRankLinear, to_nf4, unpack_nf4

pytest.importorskip("torchao", reason="needs the extra 'quantized'")

# Shapes of Swin-T's linear layers; those of its first half don't have whole groups of 256 scales.
SHAPES = [(288, 96), (96, 96), (192, 384), (576, 192), (1152, 384)]


def layer(nf4: bool = True, rank: int = 4) -> tuple[nn.Linear, LowRankLinear]:
    """A linear layer, and one that has learned something beside its frozen weight."""
    torch.manual_seed(0)
    linear = nn.Linear(96, 192)
    adapted = LowRankLinear(linear, rank, 8.0, nf4)
    nn.init.normal_(adapted.up, std=0.1)
    return linear, adapted


@pytest.mark.parametrize("shape", SHAPES)
def test_a_weight_comes_out_of_four_bits_as_torchao_has_it(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape) * 0.02
    packed = to_nf4(weight)
    assert torch.equal(unpack_nf4(packed), packed.to(torch.float32))
    assert packed.quantized_data.nbytes + packed.quantized_scalers.nbytes < 0.13 * weight.nbytes
    assert (unpack_nf4(packed) - weight).square().mean().sqrt() < 0.1 * weight.std()


def test_a_shape_without_whole_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 5\) .* multiple of 64"):
        to_nf4(torch.ones(3, 5))


def test_forward_and_backward_are_those_of_the_unpacked_weight() -> None:
    linear, adapted = layer()
    x = torch.randn(7, 96, requires_grad=True)
    reference = x.detach().clone().requires_grad_()
    low = F.linear(F.linear(reference, adapted.down), adapted.up) * 2.0
    expected = F.linear(reference, unpack_nf4(to_nf4(linear.weight.detach())), linear.bias) + low
    found = adapted(x)
    torch.testing.assert_close(found, expected)
    found.square().sum().backward()
    ours = {name: p.grad.clone() for name, p in adapted.named_parameters() if p.grad is not None}
    adapted.zero_grad()
    expected.square().sum().backward()
    torch.testing.assert_close(x.grad, reference.grad)
    assert ours.keys() == {"down", "up"}
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, getattr(adapted, name).grad)


@pytest.mark.parametrize("nf4", [True, False])
def test_an_adapter_begins_as_nothing_and_merges_into_the_weight(nf4: bool) -> None:
    linear, adapted = layer(nf4)
    x = torch.randn(7, 96)
    with torch.no_grad():
        torch.testing.assert_close(F.linear(x, adapted.merged_weight(), adapted.bias), adapted(x))
        adapted.up.zero_()
        assert (adapted(x) - linear(x)).abs().max() < (0.3 if nf4 else 1e-6)


def test_the_backward_pass_keeps_no_unpacked_weight() -> None:
    linear, adapted = layer()

    def largest_kept(module: nn.Module) -> int:
        kept: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
            module(torch.randn(7, 96, requires_grad=True))
        return max(kept)

    assert largest_kept(linear) == 96 * 192
    assert largest_kept(adapted) == 4 * 192


def test_in_torchvisions_window_attention_it_stands_for_the_weight() -> None:
    torch.manual_seed(0)
    attention = ShiftedWindowAttention(32, [7, 7], [3, 3], 2)
    x = torch.randn(1, 14, 14, 32)
    with torch.no_grad():
        expected = attention(x)
        for name in ("qkv", "proj"):
            setattr(attention, name, LowRankLinear(getattr(attention, name), 4, 8.0, False))
        torch.testing.assert_close(attention(x), expected)
    attention(x).sum().backward()
    assert {name for name, p in attention.named_parameters() if p.grad is not None} == {
        "relative_position_bias_table",
        "qkv.down",
        "qkv.up",
        "proj.down",
        "proj.up",
    }


@pytest.mark.parametrize("nf4", [True, False])
def test_copies_share_the_frozen_weight_and_a_state_brings_it_back(nf4: bool) -> None:
    _, adapted = layer(nf4)
    x = torch.randn(7, 96)
    assert copy.deepcopy(adapted)._frozen is adapted._frozen
    file = io.BytesIO()
    torch.save(adapted.state_dict(), file)
    file.seek(0)
    torch.manual_seed(1)
    other = LowRankLinear(nn.Linear(96, 192), 4, 8.0, nf4)
    other.load_state_dict(torch.load(file, weights_only=True))
    with torch.no_grad():
        assert torch.equal(other(x), adapted(x))


def test_half_precision_training_casts_as_linear_layers_do() -> None:
    _, adapted = layer()
    x = torch.randn(7, 96, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = adapted(x)
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert x.grad.dtype == adapted.up.grad.dtype == torch.float32
