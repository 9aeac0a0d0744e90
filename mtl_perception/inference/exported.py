# SPDX-License-Identifier: Apache-2.0
"""What an exported file says of itself: the network's card and the shapes that its graph was made for."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mtl_perception.checkpoint import CheckpointError, ModelCard
from mtl_perception.validation_text import in_one_line

EXPORT_VERSION = 1
"""Raised when the names or meanings of inputs or outputs change."""

METADATA_KEY = "mtl_perception"

IMAGES, FOCAL_PX = "images_rgb", "focal_px"
"""Names of a graph's inputs; see ``Graph.forward``. Its outputs are named as that function's answers."""


class ExportedGraph(BaseModel):
    """The metadata of an exported file.

    Attributes:
        width, height: of the images that the graph takes, pixels.
        batch: how many at a time.
        precision: "float32", "float16" or "int8".
    """

    model_config = ConfigDict(extra="forbid")

    export_version: int = EXPORT_VERSION
    card: ModelCard
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    batch: int = Field(gt=0)
    tasks: list[str]
    precision: str

    @classmethod
    def parse(cls, path: Path, metadata: dict[str, str]) -> ExportedGraph:
        """From a file's metadata.

        Raises:
            CheckpointError: there is nothing of ours in it, or it is of another version.
        """
        if METADATA_KEY not in metadata:
            raise CheckpointError(
                f"{path} was not written by mtl_perception: it lacks the card that says what its outputs mean; "
                "make one with 'mtl-perception export MODEL'"
            )
        try:
            content = json.loads(metadata[METADATA_KEY])
            version = content.get("export_version")
        except (json.JSONDecodeError, AttributeError) as error:
            raise CheckpointError(f"{path}: its card is not a JSON object ({error}); the file is damaged, export it again") from error
        if version != EXPORT_VERSION:
            raise CheckpointError(
                f"{path} was exported in version {version!r}, this version of mtl_perception runs {EXPORT_VERSION}; "
                "export the checkpoint again with 'mtl-perception export'"
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise CheckpointError(f"{path}: its card is not valid: {in_one_line(error, 'card')}") from error
