# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torch.nn.functional as F

from mtl_perception.core.geometry import View
from mtl_perception.tasks._dense import upsample
from mtl_perception.tasks.segmentation import argmax


def probabilities(coarseness: int, height: int, width: int, batch: int = 2) -> torch.Tensor:
    """Of 7 classes: regions about ``coarseness`` cells wide."""
    generator = torch.Generator().manual_seed(coarseness)
    seeds = torch.randn(batch, 7, -(-height // coarseness), -(-width // coarseness), generator=generator) * 4
    return F.interpolate(seeds, size=(height, width), mode="bilinear").softmax(1)


@pytest.mark.parametrize("coarseness", [1, 3, 12])
def test_the_quick_way_gives_what_interpolating_every_class_gives(coarseness: int) -> None:
    view = View.fit(128, 96, 128, 96, 32)
    given = probabilities(coarseness, 24, 32)
    ids, values = argmax.upsampled_argmax(given, view)
    assert ids.dtype == values.dtype == torch.uint8 and ids.shape == values.shape == (2, 96, 128)
    best, expected = upsample(given, view, 128, 96).max(1)
    # Rounding may decide a pixel the other way where two classes are equal to the last digit.
    assert (ids == expected).float().mean() > 0.9995
    assert ((best * 255).round() - values).abs().max() <= 1


def test_a_padded_input_is_cut_before_it_is_decided() -> None:
    view = View.fit(128, 72, 128, 96, 32)
    assert (view.content_height, view.input_height) == (72, 96)
    given = probabilities(4, 24, 32)
    ids, _ = argmax.upsampled_argmax(given, view)
    same, _ = argmax.upsampled_argmax(torch.cat([given[:, :, :18], given[:, :, 18:].flip(1)], 2), view)
    assert ids.shape == (2, 72, 128)
    assert torch.equal(ids, same)


def test_a_network_that_has_diverged_still_names_classes_that_exist() -> None:
    """Seen in a validation after weights had become NaN: the mask had one class more than the model."""
    view = View.fit(128, 96, 128, 96, 32)
    given = probabilities(4, 24, 32)
    given[:, :, :8] = torch.nan
    ids, _ = argmax.upsampled_argmax(given, view)
    assert ids.max() < given.shape[1]
