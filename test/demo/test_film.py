# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from mtl_perception.demo.film import Film


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
