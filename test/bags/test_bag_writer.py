# SPDX-License-Identifier: Apache-2.0
"""What the package records is whole and can be read, however the recording ends."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from small_disk import small_disk

from mtl_perception.bags import Bag, BagError
from mtl_perception.bags.types import jazzy_with_vision_msgs
from mtl_perception.bags.writer import BagWriter

STRING = "std_msgs/msg/String"
START_NS = 1_700_000_000_000_000_000


def string(number: int, size: int = 0) -> bytes:
    """Noise, which can't be compressed."""
    store = jazzy_with_vision_msgs()
    data = os.urandom(size // 2).hex() if size else ""
    return bytes(store.serialize_cdr(store.types[STRING](data=f"{number} {data}"), STRING))


def start(path: Path, **options) -> BagWriter:
    writer = BagWriter(path, **options)
    writer.add_topic("/text", STRING, jazzy_with_vision_msgs())
    return writer


def numbers(path: Path) -> list[int]:
    with Bag(path) as bag:
        return [int(bag.deserialize(message).data.split()[0]) for message in bag.messages("/text")]


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process can be larger, as on a FAT disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("compressed", [True, False])
def test_others_read_what_is_written(tmp_path, compressed):
    writer = start(tmp_path / "bag", compressed=compressed)
    writer.add_topic("/latched", STRING, jazzy_with_vision_msgs(), latched=True)
    writer.write("/latched", START_NS, string(0))
    for number in range(50):
        writer.write("/text", START_NS + number, string(number, 100_000))
    writer.close()
    assert sorted(path.name for path in (tmp_path / "bag").iterdir()) == ["bag.mcap", "metadata.yaml"]
    assert numbers(tmp_path / "bag") == list(range(50))
    with AnyReader([tmp_path / "bag"]) as bag:
        assert [one.ext.offered_qos_profiles[0].durability.name for one in bag.connections] == ["VOLATILE", "TRANSIENT_LOCAL"]
        assert sum(1 for _ in bag.messages()) == bag.message_count == 51
    with (tmp_path / "bag/bag.mcap").open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert reader.get_header().profile == "ros2" and len(reader.get_summary().chunk_indexes) > 1
        assert sum(1 for _ in reader.iter_messages()) == 51
        (inside,) = reader.iter_metadata()
        outside = yaml.safe_load((tmp_path / "bag/metadata.yaml").read_text())
        assert yaml.safe_load(inside.metadata["serialized_metadata"]) == outside["rosbag2_bagfile_information"]


def test_no_space_is_kept_once_it_is_closed(tmp_path):
    writer = start(tmp_path / "bag")
    writer.write("/text", START_NS, string(0))
    assert (tmp_path / "bag/bag.mcap").stat().st_size >= 1 << 20
    writer.close()
    assert (tmp_path / "bag/bag.mcap").stat().st_size < 5000


def test_nothing_is_overwritten_and_an_empty_bag_is_removed(tmp_path):
    writer = start(tmp_path / "bag")
    with pytest.raises(BagError, match="bag exists already; choose another folder"):
        BagWriter(tmp_path / "bag")
    writer.close()
    assert not (tmp_path / "bag").exists()


def fill(path: Path, size: int) -> list[int]:
    """Write until there is no space; gives what went in."""
    writer, written = start(path), []
    try:
        with pytest.raises(BagError, match=rf"{path}: .*; the \d+ messages before are kept; free space, or choose another folder"):
            for number in range(100_000):
                writer.write("/text", START_NS + number, string(number, size))
                written.append(number)
        with pytest.raises(BagError, match="messages before are kept"):
            writer.write("/text", START_NS, string(0, 1 << 24))
    finally:
        writer.close()
    return written


@pytest.mark.parametrize("disk, size", [(2304, 1000), (2304, 30_000), (4096, 700_000), (7001, 30_000)])
def test_on_a_full_disk_the_bag_is_closed_and_can_be_read(tmp_path, disk, size):
    with small_disk(tmp_path / "disk", disk) as folder:
        written = fill(folder / "bag", size)
        assert len(written) >= 1
        assert numbers(folder / "bag") == written
        assert numbers(folder / "bag/bag.mcap") == written


def test_a_file_that_may_not_grow_is_closed_and_can_be_read(tmp_path):
    with file_size_limit(5 << 20):
        written = fill(tmp_path / "bag", 50_000)
    assert numbers(tmp_path / "bag") == written and len(written) > 20


def test_a_disk_without_space_for_anything_is_named_and_left_as_it_was(tmp_path):
    with small_disk(tmp_path / "disk", 256) as folder:
        with pytest.raises(BagError, match="bag can't be written: No space left on device; free space there"):
            BagWriter(folder / "bag")
        assert not list(folder.iterdir())


@pytest.mark.slow(3)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_of_a_process_that_does_nothing_but_write_leaves_a_whole_bag(tmp_path, number):
    code = f"""
import signal, sys, threading, os
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from mtl_perception.bags.types import jazzy_with_vision_msgs
from mtl_perception.bags.writer import BagWriter
store = jazzy_with_vision_msgs()
data = bytes(store.serialize_cdr(store.types[{STRING!r}](data="0 " + os.urandom(9000).hex()), {STRING!r}))
signal.signal({int(number)}, signal.default_int_handler)
writer = BagWriter(Path({str(tmp_path / "bag")!r}))
writer.add_topic("/text", {STRING!r}, store)
print("ready", flush=True)
try:
    for index in range(10**9):
        writer.write("/text", {START_NS} + index, data)
except KeyboardInterrupt:
    writer.close()
    print(writer.counts["/text"], flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    while not (tmp_path / "bag/bag.mcap").stat().st_size > 3 << 20:
        assert process.poll() is None
    process.send_signal(number)
    count, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert len(numbers(tmp_path / "bag")) == int(count)
