# SPDX-License-Identifier: Apache-2.0
"""A task that few images are labelled for gets the share of the samples that is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shapes import write_shapes
from tiny import Tiny, tiny_config, tiny_encoder

from mtl_perception.training import ConfigError
from mtl_perception.training.sources import open_sources

SAMPLES = 2048


def masked(root: Path, images: int, with_masks: int) -> Path:
    """Images of which the first ``with_masks`` have masks; all have depth."""
    write_shapes(root, images, width=64, height=64)
    content = json.loads((root / "annotations.json").read_text())
    for i, entry in enumerate(content["images"]):
        entry["tasks"] = ["depth", "segmentation"] if i < with_masks else ["depth"]
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def drawn(roots: list[Path], folder: Path, **changes: object) -> list[tuple[str, bool]]:
    """Of each sample the folder it comes from, and whether it has a mask."""
    with tiny_encoder():
        config = tiny_config(roots[0], folder, tasks=["segmentation", "depth"], **{"data": roots, **changes})
    samples = open_sources(config).samples
    places = [samples.locate(i) for i in range(SAMPLES)]
    return [(samples.folders[f].root.name, "segmentation" in samples.folders[f].entries[row].tasks) for f, row in places]


def test_so_large_a_share_of_the_samples_is_labelled_and_every_image_comes(tmp_path: Path) -> None:
    root = masked(tmp_path / "one", 10, 1)
    assert sum(mask for _, mask in drawn([root], tmp_path)) == pytest.approx(0.1 * SAMPLES, rel=0.05)
    with tiny_encoder():
        config = tiny_config(root, tmp_path, tasks=["segmentation", "depth"], label_share={"segmentation": 0.5})
    sources = open_sources(config)
    assert sources.images == 10
    assert sum(mask for _, mask in drawn([root], tmp_path, label_share={"segmentation": 0.5})) == pytest.approx(0.5 * SAMPLES, rel=0.02)


def test_a_card_names_each_folder_once_whatever_parts_it_is_drawn_in(tmp_path: Path) -> None:
    roots = [masked(tmp_path / "large", 6, 2), masked(tmp_path / "small", 4, 2)]
    with tiny_encoder():
        tiny = Tiny(tiny_config(roots[0], tmp_path, data=roots, tasks=["segmentation", "depth"], label_share={"segmentation": 0.5}))
    assert len(tiny.sources.samples.folders) == 4
    assert [source["name"] for source in tiny.learner.card.training["sources"]] == ["large", "small"]
    (note,) = tiny.sources.notes
    assert note.count("come from") == 2 and f"58.3 % come from {roots[0]}" in note  # half of .5, and four of six of the other half


@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.0])
def test_folders_keep_their_shares_among_images_alike(tmp_path: Path, alpha: float) -> None:
    roots = [masked(tmp_path / "large", 12, 4), masked(tmp_path / "small", 4, 2)]
    found = drawn(roots, tmp_path, data_alpha=alpha, label_share={"segmentation": 0.75})
    assert sum(mask for _, mask in found) == pytest.approx(0.75 * SAMPLES, rel=0.02)
    # of the images with a mask: 12^a·4/12 to 4^a·2/4
    large = sum(name == "large" for name, mask in found if mask) / sum(mask for _, mask in found)
    parts = 12**alpha / 3, 4**alpha / 2
    assert large == pytest.approx(parts[0] / sum(parts), rel=0.03)


def test_a_share_that_can_not_be_is_told(tmp_path: Path) -> None:
    root = masked(tmp_path / "all", 4, 4)
    with pytest.raises(ConfigError, match="all images are labelled for segmentation"):
        drawn([root], tmp_path, label_share={"segmentation": 0.5})
    for share, words in (({"detection": 0.5}, "names task 'detection', which is not trained"), ({"depth": 1.5}, "less than 1")):
        with pytest.raises(ValueError, match=words):
            drawn([root], tmp_path, label_share=share)
