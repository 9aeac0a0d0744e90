# SPDX-License-Identifier: Apache-2.0
"""Flipped and missing bytes: what can be noticed is named, and nothing ends in another error than BagError."""

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType
from small_bags import write_drive
from strange_mcap import IMAGE_TOPIC, StrangeMcap, jpeg_message

from mtl_perception.bags import Bag, BagError
from mtl_perception.bags.transforms import BagTransforms
from mtl_perception.evaluation.ground_truth import BagTruth

FLIPS = int(os.environ.get("FLIPS", "15"))


def everything(path: Path) -> dict[str, list[tuple[int, bytes]]]:
    """All that the package makes of a bag, by topic; the images decoded, the truth understood."""
    found = {}
    with Bag(path) as bag:
        for name in bag.topics:
            found[name] = [(message.time_ns, message.data) for message in bag.messages(name)]
        image = bag.find_image()
        for frame in bag.frames(image, bag.find_camera_info(image)):
            assert (frame.image_rgb is None) <= bool(frame.problem)
        BagTransforms(bag, lambda text: None).advance(2**62)
        truth = BagTruth(bag, ["cup"], ["floor", "wall", "cup"])
        for stamp in truth.stamps_ns:
            truth.at(stamp)
    return found


def flip(file: Path, offset: int, bits: int = 0x10) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        (byte,) = stream.read(1)
        stream.seek(offset)
        stream.write(bytes([byte ^ bits]))


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD])
def test_every_flipped_byte_of_a_chunk_with_a_checksum_is_named(tmp_path, compression):
    file = tmp_path / "drive.mcap"
    with StrangeMcap(file, compression=compression, chunk_size=8_000) as writer:
        writer.put_images(range(6))
    with file.open("rb") as stream:
        chunks = make_reader(stream).get_summary().chunk_indexes
    assert len(chunks) >= 2
    rng = random.Random(0)
    for _ in range(40):
        chunk = rng.choice(chunks)
        offset = chunk.chunk_start_offset + chunk.chunk_length - rng.randrange(1, chunk.compressed_size)
        flip(file, offset)
        with Bag(file) as bag, pytest.raises(BagError, match="drive.mcap can't be read"):
            list(bag.messages(IMAGE_TOPIC))
        flip(file, offset)
    with Bag(file) as bag:
        assert len(list(bag.messages(IMAGE_TOPIC))) == 6


def test_a_flipped_byte_of_a_file_without_chunks_is_named(tmp_path):
    file = tmp_path / "drive.mcap"
    with StrangeMcap(file, use_chunking=False, enable_data_crcs=True) as writer:
        writer.put_images(range(3))
    flip(file, file.stat().st_size // 2)
    with Bag(file) as bag, pytest.raises(BagError, match="drive.mcap can't be read: crc validation failed in DataEnd"):
        list(bag.messages(IMAGE_TOPIC))


def test_every_flipped_byte_of_a_summary_with_a_checksum_is_named(tmp_path):
    file = tmp_path / "drive.mcap"
    with StrangeMcap(file) as writer:
        writer.put_images(range(3))
    size = file.stat().st_size
    start = int.from_bytes(file.read_bytes()[-28:-20], "little")
    assert size // 2 < start < size
    for offset in random.Random(0).sample(range(start, size - 37), 40):
        flip(file, offset)
        with pytest.raises(BagError, match="drive.mcap has a damaged summary"), Bag(file):
            pass
        flip(file, offset)


def test_a_time_that_ros_does_not_know_is_named(tmp_path):
    with StrangeMcap(tmp_path / "late.mcap") as writer:
        channel = writer.put_images([0])
        writer.put(channel, 10**10, jpeg_message(writer.store, 1))
    with Bag(tmp_path / "late.mcap") as bag, pytest.raises(BagError, match="late.mcap has a message on .* of the time 2700000000"):
        list(bag.messages(IMAGE_TOPIC))


@pytest.fixture(scope="module")
def drives(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("drives")
    kinds = {
        "mcap": {"storage": "MCAP", "compression": "NONE"},
        "zstd_mcap": {"storage": "MCAP", "compression": "STORAGE"},
        "message_mcap": {"storage": "MCAP", "compression": "MESSAGE"},
        "packed_mcap": {"storage": "MCAP", "compression": "FILE"},
        "sqlite": {"storage": "SQLITE3"},
        "message_sqlite": {"storage": "SQLITE3", "compression": "MESSAGE"},
    }
    return {name: write_drive(root / name, 4, **options) for name, options in kinds.items()}


KINDS = ("mcap", "zstd_mcap", "message_mcap", "packed_mcap", "sqlite", "message_sqlite")


@pytest.mark.slow(1)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["flipped", "cut", "filled"])
def test_damage_is_named_or_harmless(drives, tmp_path, kind, what):
    """Nothing but BagError. These files have no checksums, so bytes within messages may change; messages are never lost in silence."""
    whole = everything(drives[kind])
    shutil.copytree(drives[kind], tmp_path / kind)
    (file,) = (path for path in (tmp_path / kind).iterdir() if path.suffix != ".yaml")
    original = file.read_bytes()
    rng = np.random.default_rng(list(f"{kind} {what}".encode()))
    survived = 0
    for _ in range(FLIPS):
        data = np.frombuffer(original, np.uint8).copy()
        if what == "flipped":
            data[rng.integers(0, len(data), rng.integers(1, 4))] ^= rng.integers(1, 256, dtype=np.uint8)
        elif what == "cut":
            data = data[: rng.integers(0, len(data))]
        else:
            start, length = rng.integers(0, len(data)), rng.integers(1, 200)
            data[start : start + length] = rng.choice([0, 255])
        file.write_bytes(data.tobytes())
        for path in (tmp_path / kind, file):
            try:
                found = everything(path)
            except BagError as error:
                assert str(error).isprintable() and len(str(error)) < 3000
                continue
            survived += 1
            if path.is_dir():  # metadata.yaml counts what there was
                for name, messages in whole.items():
                    assert len(found.get(name, ())) == len(messages)
    assert survived < 2 * FLIPS


def test_damaged_metadata_is_named_or_harmless(drives, tmp_path):
    shutil.copytree(drives["mcap"], tmp_path / "mcap")
    file = tmp_path / "mcap/metadata.yaml"
    original = file.read_bytes()
    rng = random.Random(0)
    for _ in range(FLIPS):
        data = bytearray(original)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        file.write_bytes(data if rng.random() < 0.7 else data[: rng.randrange(len(data))])
        try:
            everything(tmp_path / "mcap")
        except BagError as error:
            assert len(str(error)) < 3000
