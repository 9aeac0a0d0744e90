# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from small_disk import small_disk

from mtl_perception.prediction.film import Film


def test_a_film_holds_its_pictures_in_order_and_colour(tmp_path):
    colors = [(200, 30, 30), (30, 180, 40), (40, 50, 210)]
    film = Film(tmp_path / "film.webm", 144, 100, 7.5)
    for color in colors:
        film.add(np.full((100, 144, 3), color, np.uint8))
    film.close()
    assert (tmp_path / "film.webm").read_bytes()[:4] == b"\x1aE\xdf\xa3"  # EBML, as WebM begins
    read = cv2.VideoCapture(str(tmp_path / "film.webm"))
    assert read.get(cv2.CAP_PROP_FPS) == pytest.approx(7.5, rel=0.02)
    for color in colors:
        found, picture = read.read()
        assert found and picture.shape == (100, 144, 3)
        assert np.abs(picture[50, 72, ::-1].astype(int) - color).max() < 12
    assert not read.read()[0]


def test_a_full_disk_names_the_film_and_leaves_no_half_one(tmp_path):
    noise = np.random.default_rng(0)
    with small_disk(tmp_path / "disk", 64) as disk:
        with pytest.raises(OSError, match=r"can't write .*/disk/film.webm: No space left on device"):
            film = Film(disk / "film.webm", 320, 240, 10.0)
            for _ in range(60):
                film.add(noise.integers(0, 255, (240, 320, 3), np.uint8))
            film.close()
        assert not list(disk.iterdir())


def test_pictures_of_another_size_are_fitted_in(tmp_path):
    film = Film(tmp_path / "film.webm", 144, 100, 10.0)
    film.add(np.zeros((100, 144, 3), np.uint8))
    film.add(np.full((200, 300, 3), 200, np.uint8))
    film.close()
    read = cv2.VideoCapture(str(tmp_path / "film.webm"))
    assert [read.read()[1].shape for _ in range(2)] == [(100, 144, 3)] * 2
