# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from mtl_perception.data.shared_images import shared_images


def test_files_with_the_same_bytes_are_found_whatever_they_are_called(tmp_path: Path) -> None:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    end = b"e" * 5000  # longer than what is compared first
    first = [write("a/1.jpg", b"one" + end), write("a/2.jpg", b"two" + end), write("a/3.jpg", b"three"), tmp_path / "a/gone.jpg"]
    second = [
        write("b/x.jpg", b"two" + end),
        write("b/y.jpg", b"six" + end),
        write("b/z.jpg", b"eight"),
        write("b/again.jpg", b"two" + end),
    ]
    assert shared_images(first, second) == [(first[1], second[0])]
    assert shared_images(first, [*second, tmp_path / "gone.jpg"]) == shared_images(first, second)
    assert shared_images(first, first) == [(path, path) for path in first[:3]]
    assert shared_images([], second) == shared_images(first, []) == []
