# SPDX-License-Identifier: Apache-2.0
"""Drawn ultrasound: labels say what is to be seen, and equal settings give equal files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtl_perception.data.folder import ImageFolder
from mtl_perception.simulation.ultrasound import (
    CLASSES,
    COUNTING,
    GRADES,
    MASK_LABELS,
    Lesion,
    Patient,
    UltrasoundSettings,
    _echoes,
    classes_of,
    render_ultrasound,
)

SETTINGS = UltrasoundSettings(images=10, seed=3, width=128, height=96)
PATIENT = Patient(0.5, 0.4, np.array([0.05, 0.2, 0.6]), np.ones(4), gain_db=0.0, range_db=50.0, loss_db=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ultrasound")
    render_ultrasound(root, SETTINGS, progress=False)
    return root


def test_labels_are_consistent_in_every_picture(folder: Path) -> None:
    images = ImageFolder(folder)
    assert images.labels["segmentation"] == MASK_LABELS and images.labels["classification"] == CLASSES
    assert [entry.group for entry in images.entries] == [f"patient{i // 4:05d}" for i in range(10)]
    seen = set()
    for sample in (images[i] for i in range(len(images))):
        mask = sample.labels["segmentation"]
        present = {name for name, applies in zip(CLASSES, sample.labels["classification"].present, strict=True) if applies}
        assert (MASK_LABELS.index("lesion") in mask) == ("lesion" in present)
        grade = len(present & set(GRADES))
        assert grade == ("lesion" in present) + min(2, len(present & COUNTING)), "as many of the cumulative classes as the grade"
        assert sample.image[mask == MASK_LABELS.index("outside")].mean() < 5 < sample.image[mask == MASK_LABELS.index("tissue")].mean()
        seen |= present
    assert {"lesion", "cystic", "shadow"} <= seen


def test_equal_settings_give_equal_files_and_others_do_not(folder: Path, tmp_path: Path) -> None:
    render_ultrasound(tmp_path / "again", SETTINGS, progress=False)
    render_ultrasound(tmp_path / "other", replace(SETTINGS, seed=4), progress=False)
    files = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) == 2 * 10 + 3
    assert all((tmp_path / "again" / path).read_bytes() == (folder / path).read_bytes() for path in files)
    assert all((tmp_path / "other" / path).read_bytes() != (folder / path).read_bytes() for path in files if path.parts[0] == "images")


@pytest.mark.parametrize(("loss", "is_darker"), [(14.0, True), (-7.0, False)])
def test_what_lies_behind_a_lesion_shows_what_the_beam_lost_in_it(loss: float, is_darker: bool) -> None:
    lesion = Lesion((0.0, 0.4), (0.1, 0.1), 0.0, np.zeros((1, 2)), frozenset(), level=0.2, loss=loss)
    pictures = [_echoes(np.random.default_rng(seed), PATIENT, lesion) for seed in range(4)]
    samples, beams = pictures[0].shape
    behind, beside = np.s_[int(0.65 * samples) : int(0.9 * samples), beams // 2 - 8 : beams // 2 + 8], np.s_[int(0.65 * samples) :, :30]
    difference = np.mean([picture[behind].mean() - picture[beside].mean() for picture in pictures])
    assert (difference < -20) if is_darker else (difference > 8)
    inside = np.s_[int(0.36 * samples) : int(0.44 * samples), beams // 2 - 6 : beams // 2 + 6]
    assert np.mean([picture[inside].mean() - picture[beside].mean() for picture in pictures]) < -15, "it is darker than tissue"


def test_a_cyst_has_no_other_finding_and_no_lesion_has_no_class() -> None:
    lesions = [Lesion.drawn(np.random.default_rng(seed)) for seed in range(200)]
    assert {frozenset(lesion.findings) for lesion in lesions if "cystic" in lesion.findings} == {frozenset({"cystic"})}
    assert {lesion.grade for lesion in lesions} == {1, 2, 3}
    assert classes_of(None) == []
    smooth = [lesion for lesion in lesions if "irregular margin" not in lesion.findings]
    rough = [lesion for lesion in lesions if "irregular margin" in lesion.findings]
    around = np.linspace(-np.pi, np.pi, 400)

    def roughness(lesion: Lesion) -> float:
        """How far the boundary is from an ellipse, in shares of its size."""
        x, y = lesion.axes[0] * np.cos(around), lesion.axes[1] * np.sin(around)
        cos, sin = np.cos(lesion.angle), np.sin(lesion.angle)
        return float(np.std(lesion.inside(lesion.centre[0] + cos * x - sin * y, lesion.centre[1] + sin * x + cos * y)))

    assert max(map(roughness, smooth)) < min(map(roughness, rough)), "the word says what is drawn"


def test_what_can_not_be_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match="holds a data set already; choose another folder"):
        render_ultrasound(folder, SETTINGS, progress=False)
    with pytest.raises(ValueError, match="images is 0, expected at least 1"):
        UltrasoundSettings(images=0)
    assert json.loads((folder / "dataset.json").read_text())["settings"]["seed"] == 3
