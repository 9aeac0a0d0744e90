# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mtl_perception.simulation import textures
from mtl_perception.simulation.room import PLACES, furnished_room
from mtl_perception.simulation.textures import _patterns

SURFACES = {
    "plain": ((0.6, 0.5, 0.4),), "plaster": ((0.6, 0.5, 0.4),), "wood": (), "planks": (), "tiles": (0.3,),
    "bricks": (), "wallpaper": ((0.6, 0.5, 0.4),), "carpet": (), "stone": (), "fabric": (), "metal": (), "concrete": (),
    "corrugated": (),
}  # fmt: skip
PRINTS = {
    "printed_label": (), "bottle_skin": (), "cardboard": (), "book_cover": (), "printed_page": (),
    "peel": ((0.9, 0.5, 0.1),), "outdoors": (), "picture": (), "desktop": (), "keys": (),
}  # fmt: skip


@pytest.mark.parametrize("name", [*SURFACES, *PRINTS])
def test_every_family_has_one_that_training_never_draws(name):
    arguments = (SURFACES | PRINTS)[name]
    seen, unseen = (getattr(textures, name)(textures.generator(3, kind), *arguments) for kind in ("train", "unseen"))
    assert (seen.family, unseen.family) == (name, f"unseen {name}")
    for texture in (seen, unseen):
        assert texture.rgb.dtype == np.uint8
        assert texture.rgb.ndim == 3
        assert texture.size_m > 0
        assert texture.rgb.std() > 0.5
    assert seen.rgb.shape != unseen.rgb.shape or not np.array_equal(seen.rgb, unseen.rgb)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_rooms_draw_from_one_set(built, place):
    seen = built(place)[0].world.texture_families
    unseen = furnished_room((21, 0), "unseen", place).world.texture_families
    assert seen <= {*SURFACES, *PRINTS}
    assert len(seen) > 6
    assert all(family.startswith("unseen ") for family in unseen)
    assert len(unseen) > 6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "planks", "printed_label", "peel"])
def test_half_of_the_varied_textures_lie_under_a_pattern(name):
    arguments = (SURFACES | PRINTS)[name]

    def drawn(kind: str, seed: int) -> textures.Texture:
        return getattr(textures, name)(textures.generator(seed, kind), *arguments)

    changed = [not np.array_equal(drawn("varied", seed).rgb, drawn("train", seed).rgb) for seed in range(200)]
    assert 75 < sum(changed) < 125  # binomial: 100 ± 3.5 deviations
    seed = changed.index(True)
    first, again = drawn("varied", seed), drawn("varied", seed)
    assert np.array_equal(first.rgb, again.rgb)
    assert (first.family, first.size_m) == (name, again.size_m)


@pytest.mark.slow
def test_varied_rooms_draw_from_the_families_of_training():
    families = furnished_room((21, 0), "varied", "living room").world.texture_families
    assert len(families) > 6
    assert families <= {*SURFACES, *PRINTS}


@pytest.mark.parametrize("name", SURFACES)
def test_surfaces_repeat_without_a_seam(name):
    """No step at the border that is larger than the largest one inside."""
    for kind in ("train", "unseen"):
        rgb = getattr(textures, name)(textures.generator(1, kind), *SURFACES[name]).rgb.astype(int)
        for axis in (0, 1):
            steps = np.abs(np.diff(rgb, axis=axis)).mean(axis=(1 - axis, 2))
            first, last = np.take(rgb, 0, axis), np.take(rgb, -1, axis)
            assert np.abs(first - last).mean() <= 1.5 * steps.max() + 4, (kind, axis)


@pytest.mark.parametrize("kind", _patterns.KINDS)
def test_patterns_repeat_without_a_seam_too(kind):
    for seed in range(20):
        field = kind(np.random.default_rng(seed), 256)
        assert field.shape == (256, 256)
        assert np.abs(field).max() <= 1.01
        for axis in (0, 1):
            steps = np.abs(np.diff(field, axis=axis)).mean(axis=1 - axis)
            seam = np.abs(np.take(field, 0, axis) - np.take(field, -1, axis)).mean()
            assert seam <= 1.5 * steps.max() + 0.02, (seed, axis)


def test_noise_repeats_without_a_seam():
    field = textures.noise(np.random.default_rng(1), 128, slope=1.5, stretch=8)
    inside = np.abs(np.diff(field, axis=0)).mean()
    seam = np.abs(field[0] - field[-1]).mean()
    assert seam < 2 * inside
    assert field.std() == pytest.approx(1, abs=1e-3)
