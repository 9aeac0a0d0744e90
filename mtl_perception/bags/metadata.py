# SPDX-License-Identifier: Apache-2.0
"""metadata.yaml: which files a bag is made of, and how many messages it is said to hold."""

from __future__ import annotations

from pathlib import Path, PurePath

from pydantic import BaseModel, Field

from mtl_perception.bags.error import BagError
from mtl_perception.core.yaml_file import ConfigError, read_yaml

FILE_NAME = "metadata.yaml"


class _TopicMetadata(BaseModel):
    name: str
    type: str = ""


class _CountedTopic(BaseModel):
    topic_metadata: _TopicMetadata
    message_count: int = Field(ge=0)


class Metadata(BaseModel):
    """The part of metadata.yaml that this package reads. QoS is left out: recorders and converters write another one here than into the files."""

    version: int = Field(ge=1)
    relative_file_paths: list[str]
    compression_format: str | None = ""
    compression_mode: str | None = ""
    topics_with_message_count: list[_CountedTopic] = []

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """(topic, type) → messages."""
        counts: dict[tuple[str, str], int] = {}
        for topic in self.topics_with_message_count:
            key = topic.topic_metadata.name, topic.topic_metadata.type
            counts[key] = counts.get(key, 0) + topic.message_count
        return counts

    def files(self, folder: Path) -> list[Path]:
        """The bag's files in their order. Before version 4 their names stood behind the folder's."""
        return [folder / PurePath(name).name for name in self.relative_file_paths]


class _Root(BaseModel):
    rosbag2_bagfile_information: Metadata


def read_metadata(folder: Path) -> Metadata:
    """metadata.yaml of a bag's folder.

    Raises:
        BagError: it is damaged, or names no file, or a compression other than zstd.
    """
    try:
        metadata = read_yaml(folder / FILE_NAME, _Root).rosbag2_bagfile_information
    except (ConfigError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise BagError(f"bag {folder}: {FILE_NAME} can't be read ({error}); 'ros2 bag reindex {folder}' rebuilds it") from error
    if not metadata.relative_file_paths:
        raise BagError(f"bag {folder}: {FILE_NAME} names no file; 'ros2 bag reindex {folder}' rebuilds it")
    if metadata.compression_mode and metadata.compression_mode.lower() != "none" and metadata.compression_format != "zstd":
        raise BagError(
            f"bag {folder} is compressed with {metadata.compression_format!r}, expected zstd; convert it with 'ros2 bag convert'"
        )
    return metadata
