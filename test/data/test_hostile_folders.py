# SPDX-License-Identifier: Apache-2.0
"""Folders as they come from other people, other systems, and from those who wish us ill: each fault is named in a short
sentence with what to do, by the check and by training, and nothing hangs, swells or scribbles over the terminal."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_pictures import bomb, exif, jpeg, packed_rows, palette, png, png_of_chunks, with_segment
from shapes import write_shapes
from typer.testing import CliRunner

from mtl_perception.cli.app import app
from mtl_perception.data.folder import DataError, ImageFolder

Damage = Callable[[Path], object]
LONG = "x" * 5_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_shapes(tmp_path / "shapes", 4)


def checked(root: Path) -> tuple[int, str]:
    """Exit status and words of ``mtl-perception check``, without line breaks."""
    result = CliRunner().invoke(app, ["check", str(root)], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert len(result.output) < 20_000
    assert "\x1b" not in result.output
    return result.exit_code, re.sub(r"\s+", " ", result.output)


def edit(name: str, change: Callable[[Any], object]) -> Damage:
    def damage(root: Path) -> None:
        content = json.loads((root / name).read_text())
        change(content)
        (root / name).write_text(json.dumps(content))

    return damage


def image(**values: object) -> Damage:
    return edit("annotations.json", lambda content: content["images"][0].update(values))


def box(**values: object) -> Damage:
    return edit("annotations.json", lambda content: content["annotations"][0].update(values))


def mask(segmentation: object) -> Damage:
    return box(segmentation=segmentation)


def content(name: str, data: bytes) -> Damage:
    return lambda root: (root / name).write_bytes(data)


def in_place_of(name: str, make: Callable[[Path], object]) -> Damage:
    def damage(root: Path) -> None:
        (root / name).unlink()
        make(root / name)

    return damage


def labels(*names: str) -> Damage:
    return edit("dataset.json", lambda content: content["segmentation_labels"].extend(names))


def renamed(old: str, new: str) -> Damage:
    """Another class name in both files."""

    def damage(root: Path) -> None:
        for name in ("dataset.json", "annotations.json"):
            (root / name).write_text((root / name).read_text().replace(json.dumps(old), json.dumps(new)))

    return damage


def first_category(**values: object) -> Damage:
    return edit("annotations.json", lambda content: content["categories"][0].update(values))


def without_coco_keys(content: Any) -> None:
    for one in content["images"]:
        for key in ("group", "tasks", "camera"):
            one.pop(key, None)


FILES: dict[str, tuple[Damage, str]] = {
    "pipe": (in_place_of("images/0000.jpg", os.mkfifo), "0000.jpg is a pipe, a socket or a device, expected a file"),
    "pipe as mask": (in_place_of("semantic/0000.png", os.mkfifo), "0000.png is a pipe"),
    "endless device": (in_place_of("images/0000.jpg", lambda path: path.symlink_to("/dev/zero")), "0000.jpg is a pipe, a socket or a"),
    "folder": (in_place_of("images/0000.jpg", Path.mkdir), "images/0000.jpg is a folder, expected a file"),
    "folder as depth": (in_place_of("depth/0000.png", Path.mkdir), "depth/0000.png is a folder, expected a file"),
    "link to itself": (in_place_of("images/0000.jpg", lambda path: path.symlink_to(path)), "0000.jpg can't be read: Too many levels"),
    "terabyte": (in_place_of("images/0000.jpg", lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 10**12)), "0000.jpg is of 1000000 MB, expected at most 400 MB"),
    "bomb": (content("images/0000.jpg", bomb(30000, 30000)), "0000.jpg is of 30000x30000, annotations.json says 128x96"),
    "bomb as mask": (content("semantic/0000.png", bomb(30000, 30000)), "semantic/0000.png is of 30000x30000, its image of 128x96"),
    "GIF": (content("images/0000.jpg", b"GIF89a" + bytes(99)), "0000.jpg: it is a GIF, expected a JPEG or PNG"),
    "JPEG as mask": (content("semantic/0000.png", jpeg(np.zeros((96, 128), np.uint8))), "it is a JPEG, whose compression changes numbers, expected a PNG"),
    "mask of 16 bits": (content("semantic/0000.png", png(np.zeros((96, 128), np.uint16))), "it is a PNG of 16 bits, grey, expected a grey or palette PNG of 8"),
    "mask with alpha": (content("semantic/0000.png", png_of_chunks(128, 96, 8, 4, bytes(257 * 96))), "it is a PNG of 8 bits, grey with alpha"),
    "lying on its side": (lambda root: (root / "images/0000.jpg").write_bytes(with_segment(jpeg(np.zeros((128, 96, 3), np.uint8)), 0xE1, b"Exif\0\0" + exif(6))), "0000.jpg is of 96x128, annotations.json says 128x96; the file's EXIF orientation turns it, which is not applied"),
    "damaged JPEG": (lambda root: (root / "images/0000.jpg").write_bytes((root / "images/0000.jpg").read_bytes()[:-2] + bytes(500) + b"\xff\xd9"), "0000.jpg is not readable: JPEG of"),
    "other ending": (lambda root: (root / "images/0000.jpg").rename(root / "images/0000.JPG"), "images/0000.jpg is missing, there is 0000.JPG"),
    "images/ in front": (image(file_name="images/0000.jpg"), "images/images/0000.jpg is missing: file_name counts from images/ on, expected it without 'images/'"),
    "backslash": (image(file_name="train\\0000.jpg"), r"train\0000.jpg is missing: file_name has a backslash (\), expected / between folders"),
}  # fmt: skip

INDEX: dict[str, tuple[Damage, str]] = {
    "empty file name": (image(file_name=""), "image 1: file_name names no file; expected a path below"),
    "dot": (image(file_name="."), "image 1: file_name names no file"),
    "root": (image(file_name="/"), "image 1: file_name names no file"),
    "absolute": (image(file_name="/etc/passwd"), "/etc/passwd: file_name leaves the folder"),
    "upwards": (image(file_name="a/../../b.jpg"), "a/../../b.jpg: file_name leaves the folder"),
    "drive": (image(file_name="C:\\data\\a.jpg"), r"C:\data\a.jpg: file_name leaves the folder"),
    "line break": (image(file_name="a\nb.jpg"), "a?b.jpg: file_name holds characters that do not print"),
    "null": (image(file_name="a\0b.jpg"), "a?b.jpg: file_name holds characters that do not print"),
    "long file name": (image(file_name=LONG), "file_name has 5000000 characters"),
    "gigapixels": (image(width=100_000, height=100_000), "0000.jpg: it is of 100000x100000 = 10000000000 pixels, expected at most 50000000"),
    "long task": (image(tasks=[LONG]), "tasks lists 'xxx"),
    "long camera": (image(camera=LONG), "its camera 'xxx"),
    "escape as class": (image(classes=["\x1b[31mred"]), "classes lists ?[31mred, which are not among"),
    "one id for two": (first_category(id=2), "have one id, 2, so which of them are its boxes? Give each an id of its own"),
    "unknown markup": (first_category(name="[/b]"), "categories [/b] are not among the detection_labels"),
    "long category": (first_category(name=LONG), "… (5000000 characters) are not among the detection_labels"),
    "empty label": (labels(" "), "segmentation_labels holds an empty name at position 4"),
    "escape as label": (labels("\x1b]0;title\x07"), "segmentation_labels holds '?]0;title?', which has characters that do not print; rename it"),
    "long label": (labels(LONG), "segmentation_labels holds 'xxxxxxxxxxxxxxxxxxxx… (5000000 characters)', expected at most 100"),
    "label twice": (labels("[/b]", "[/b]"), "segmentation_labels holds '[/b]' twice"),
    "far box": (box(bbox=[1e308, 0, 1e308, 1]), "box [1e+308, 0.0, 1e+308, 1.0] (x, y, width, height) reaches beyond the image of 128x96"),
    "duplicate ids": (image(id=2), "several images have the id 2"),
}  # fmt: skip

UNREADABLE: dict[str, tuple[Damage, str]] = {
    "byte order mark": (lambda root: (root / "annotations.json").write_text((root / "annotations.json").read_text(), "utf-8-sig"), "annotations.json begins with a byte order mark (BOM), which JSON does not have; remove it: sed -i"),
    "UTF-16": (lambda root: (root / "dataset.json").write_text((root / "dataset.json").read_text(), "utf-16"), "dataset.json is UTF-16, expected UTF-8; convert it: iconv"),
    "Latin-1": (content("dataset.json", '{"segmentation_labels": ["Stühle"]}'.encode("latin-1")), "dataset.json is not valid JSON: invalid unicode code point"),
    "empty": (content("annotations.json", b""), "annotations.json is not valid JSON: EOF while parsing"),
    "binary": (content("annotations.json", bytes(range(256))), "annotations.json is not valid JSON"),
    "list": (content("annotations.json", b"[1, 2]"), "annotations.json is not as expected: content: Input should be an object, got a list"),
    "description is a list": (content("dataset.json", b"[]"), "dataset.json is not as expected: content: Input should be an object, got a list"),
    "number": (content("cameras.json", b"7"), "cameras.json is not as expected: content: Input should be an object, got 7"),
    "nested": (content("annotations.json", b"[" * 100_000), "annotations.json is not valid JSON: recursion limit exceeded"),
    "nested inside": (content("dataset.json", b'{"x": ' * 100_000), "dataset.json is not valid JSON: recursion limit exceeded"),
    "nested mask": (lambda root: (root / "annotations.json").write_text((root / "annotations.json").read_text().replace('"segmentation":', '"segmentation":' + "[" * 5000 + "]" * 5000 + ',"other":', 1)), "annotations.json is not valid JSON: recursion limit exceeded"),
    "pipe": (in_place_of("annotations.json", os.mkfifo), "annotations.json is a pipe"),
    "pipe as cameras": (in_place_of("cameras.json", os.mkfifo), "cameras.json is a pipe"),
    "folder": (in_place_of("annotations.json", Path.mkdir), "annotations.json is a folder, expected a file"),
    "terabyte": (lambda root: os.truncate(root / "annotations.json", 10**12), "annotations.json is of 1000000 MB, expected at most 4000 MB"),
    "plain COCO": (edit("annotations.json", without_coco_keys), "annotations.json is plain COCO: its images have neither group nor tasks; 'mtl-perception import coco FOLDER --out NEW'"),
    "id as text": (image(id="1"), 'images.0.id: Input should be a valid integer, got "1"; write numbers without quotes'),
    "id as a name": (image(id=LONG), 'images.0.id: Input should be a valid integer, got "xxx'),
    "image_id as text": (box(image_id="1"), 'annotations.0.image_id: Input should be a valid integer, got "1"; write numbers'),
    "fractional id": (image(id=1.5), "images.0.id: Input should be a valid integer"),
    "id that is true": (image(id=True), "images.0.id: Input should be a valid integer, got true"),
    "huge id": (image(id=10**30), "images.0.id: Input should be less than 9223372036854775808, got a number of more than 19 digits"),
    "huge number": (lambda root: (root / "annotations.json").write_text((root / "annotations.json").read_text().replace('"id":1,', '"id":' + "9" * 100_000 + ",", 1)), "annotations.json is not"),
    "no width": (image(width=0), "images.0.width: Input should be greater than 0, got 0"),
    "huge width": (image(width=10**12), "images.0.width: Input should be less than or equal to 1000000, got 1000000000000"),
    "width as text": (image(width="128"), 'images.0.width: Input should be a valid integer, got "128"; write numbers without quotes'),
    "nothing as file name": (image(file_name=None), "images.0.file_name: Input should be a valid string, got null"),
    "NaN": (box(bbox=[1, float("nan"), 3, 4]), "annotations.0.bbox.1: Input should be a finite number, got NaN"),
    "infinity": (box(bbox=[1, 2, float("inf"), 4]), "annotations.0.bbox.2: Input should be a finite number, got Infinity"),
    "overflow": (lambda root: (root / "annotations.json").write_text(re.sub(r'"bbox":\[\d+', '"bbox":[1e999', (root / "annotations.json").read_text(), count=1)), "annotations.0.bbox.0: Input should be a finite number, got Infinity"),
    "box of text": (box(bbox=["1", 2, 3, 4]), 'annotations.0.bbox.0: Input should be a valid number, got "1"; write numbers without quotes'),
    "box of an object": (box(bbox={"x": 1}), "annotations.0.bbox: Input should be a valid array, got an object"),
    "tasks as text": (image(tasks="detection"), 'images.0.tasks: Input should be a valid array, got "detection"'),
    "file name of half a character": (lambda root: (root / "annotations.json").write_text((root / "annotations.json").read_text().replace("0000.jpg", r"\ud800.jpg")), "annotations.json is not valid JSON"),
    "format version as text": (edit("dataset.json", lambda c: c.update(format_version=LONG)), 'dataset.json is of format_version "xxx'),
    "nameless keys": (edit("cameras.json", lambda c: c["cameras"].update({"\x1b[2J": 3})), "cameras.?[2J: Input should be"),
}  # fmt: skip

MASKS: dict[str, tuple[Damage, str]] = {
    "float run lengths": (mask({"size": [96, 128], "counts": [10.5, 12277.5]}), "its mask's counts hold 10.5, expected whole numbers from 0 on"),
    "negative run lengths": (mask({"size": [96, 128], "counts": [-5, 12293]}), "its mask's counts hold -5, expected whole numbers from 0 on"),
    "run lengths of text": (mask({"size": [96, 128], "counts": ["a"]}), "its mask's counts hold 'a', expected whole numbers"),
    "too long": (mask({"size": [96, 128], "counts": [10**15]}), "its mask's counts add up to 1000000000000000, expected the image's 12288 pixels"),
    "too short": (mask({"size": [96, 128], "counts": []}), "its mask's counts add up to 0, expected"),
    "broken text": (mask({"size": [96, 128], "counts": "\u00fc" * 9}), "are no run lengths of 12288 pixels"),
    "long text": (mask({"size": [96, 128], "counts": LONG}), "are no run lengths of 12288 pixels"),
    "huge size": (mask({"size": [10**6, 10**6], "counts": "0"}), "its mask is of size [1000000, 1000000], expected the image's [96, 128]"),
    "no counts": (mask({"size": [96, 128]}), "its mask is {'size': [96, 128]}, expected run lengths (size, counts) or polygons"),
    "number": (mask(5), "its mask is 5, expected run lengths (size, counts) or polygons"),
    "one point": (mask([[1, 2]]), "its mask has the polygon [1, 2], expected x, y, x, y … of three points or more"),
    "no point": (mask([[]]), "its mask has the polygon [], expected"),
    "odd": (mask([[1, 2, 3, 4, 5, 6, 7]]), "expected x, y, x, y … of three points or more"),
    "flat": (mask([1, 2, 3, 4, 5, 6]), "its mask has the polygon 1, expected x, y"),
    "far point": (mask([[0, 0, 10, 0, 10, 1e9]]), "its mask has a polygon with y 1000000000.0, expected a number within the image of 128x96"),
    "text as point": (mask([[0, 0, "9", 0, 9, 9]]), "its mask has a polygon with x '9', expected a number"),
    "NaN as point": (mask([[0, 0, float("nan"), 0, 9, 9]]), "its mask has a polygon with x nan"),
}  # fmt: skip

REMARKS: dict[str, tuple[Damage, str]] = {
    "upside down": (lambda root: (root / "images/0000.jpg").write_bytes(with_segment((root / "images/0000.jpg").read_bytes(), 0xE1, b"Exif\0\0" + exif(3))), "images/0000.jpg has the EXIF orientation 3, which is not applied"),
    "class with markup": (renamed("can", "[/b]"), " [/b] 2 1 "),
    "class with a style": (renamed("can", "[red]can"), " [red]can 2 1 "),
    "class with a picture's name": (renamed("can", ":smile:"), " :smile: 2 1 "),
    "space around a class": (renamed("can", "can "), "'can ' with spaces around it: it is another class than 'can'"),
    "one name for two": (edit("annotations.json", lambda c: c["categories"].append({"id": 99, "name": "can"})), "have one name, can: they are taken for one class"),
    "pipe beside the images": (lambda root: os.mkfifo(root / "images" / "pipe"), "0 errors"),
    "group with an escape": (image(group="\x1b[31m"), "0 errors"),
}  # fmt: skip


@pytest.mark.parametrize("name", [*FILES, *INDEX])
def test_training_and_the_check_name_it(root, name):
    damage, words = {**FILES, **INDEX}[name]
    damage(root)
    status, said = checked(root)
    assert status == 1
    assert words in said
    with pytest.raises(DataError) as error:
        folder = ImageFolder(root)
        for i in range(len(folder)):
            folder[i]
    assert words in str(error.value)
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_index_that_is_none_ends_both_with_a_sentence(root, name):
    damage, words = UNREADABLE[name]
    damage(root)
    status, said = checked(root)
    assert status == 1
    assert words in said
    with pytest.raises(DataError) as error:
        ImageFolder(root)
    assert words in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("name", MASKS)
def test_instance_masks_are_named(root, name):
    damage, words = MASKS[name]
    damage(root)
    status, said = checked(root)
    assert status == 1
    assert "0000.jpg: annotation 1: its mask" in said
    assert words in said


@pytest.mark.parametrize("name", REMARKS)
def test_what_can_be_lived_with_is_remarked_upon(root, name):
    damage, words = REMARKS[name]
    damage(root)
    status, said = checked(root)
    assert status == 0, said
    assert words in said
    folder = ImageFolder(root)
    for i in range(len(folder)):
        folder[i]


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("color_type", [0, 3], ids=["grey", "palette"])
def test_masks_of_few_bits_hold_the_ids_that_were_written(root, bits, color_type):
    ids = np.random.default_rng(0).integers(0, min(2**bits, 4), (96, 128), np.uint8)
    between = [palette(2**bits)] if color_type else []
    (root / "semantic/0000.png").write_bytes(png_of_chunks(128, 96, bits, color_type, packed_rows(ids, bits), between))
    _status, said = checked(root)
    assert "class id" not in said
    np.testing.assert_array_equal(ImageFolder(root)[0].labels["segmentation"], ids)


def test_a_palette_mask_keeps_255_for_unlabelled(root):
    """As in Pascal VOC."""
    ids = np.full((96, 128), 255, np.uint8)
    ids[:40] = 3
    rows = b"".join(b"\0" + row.tobytes() for row in ids)
    (root / "semantic/0000.png").write_bytes(png_of_chunks(128, 96, 8, 3, rows, [palette(256)]))
    np.testing.assert_array_equal(ImageFolder(root)[0].labels["segmentation"], ids)


def test_a_photograph_is_not_turned(root):
    """Its labels belong to the pixels as they are stored, which is what the node sees too."""
    before = ImageFolder(root)[0].image.copy()
    REMARKS["upside down"][0](root)
    np.testing.assert_array_equal(ImageFolder(root)[0].image, before)


@pytest.mark.slow
def test_random_damage_of_the_index_is_a_sentence(root):
    """Cut, doubled and overwritten JSON: a DataError, or a folder that can be used."""
    rng = np.random.default_rng(0)
    whole = {name: (root / name).read_bytes() for name in ("annotations.json", "dataset.json", "cameras.json")}
    values = [b"null", b"-1", b"1e999", b'""', b"[]", b"{}", b"true", b'"\\u0000"', b"99999999999999999999", b"0.5", b'"[/b]"']
    for _ in range(60):
        name = list(whole)[rng.integers(0, 3)]
        data = whole[name]
        if rng.integers(0, 2):  # some value becomes another
            found = list(re.finditer(rb"(?<=[:,\[])(\"[^\"]*\"|[-\d.]+)(?=[,\]}])", data))
            place = found[rng.integers(0, len(found))]
            data = data[: place.start()] + values[rng.integers(0, len(values))] + data[place.end() :]
        else:
            at = int(rng.integers(0, len(data)))
            data = data[:at] + rng.bytes(int(rng.integers(0, 3))) + data[at + int(rng.integers(0, 9)) :]
        (root / name).write_bytes(data)
        status, said = checked(root)
        assert status in (0, 1), said
        try:
            folder = ImageFolder(root)
            for i in range(len(folder)):
                folder[i]
        except DataError as error:
            assert len(str(error)) < 2000
        (root / name).write_bytes(whole[name])


def test_the_decoders_write_nothing_to_the_terminal(root):
    """In a process of its own, whose terminal the libraries of C would write to."""
    for i, data in enumerate((jpeg(np.zeros((96, 128, 3), np.uint8))[:-60], png(np.zeros((96, 128, 3), np.uint8))[:-20])):
        (root / f"images/000{i}.jpg").write_bytes(data)
    rows = b"\x09" * (129 * 96)  # a filter that does not exist, with checksums that are right
    (root / "semantic/0002.png").write_bytes(png_of_chunks(128, 96, 8, 0, rows))
    command = [sys.executable, "-m", "mtl_perception.cli", "check", str(root)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "3 errors" in done.stdout
    assert done.stderr == ""
