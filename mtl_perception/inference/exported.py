# SPDX-License-Identifier: Apache-2.0
"""Metadata of an exported file: the network's card and the shapes that its graph was made for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from mtl_perception.core.validation_text import problems, shown
from mtl_perception.model.checkpoint import CheckpointError, ModelCard

EXPORT_VERSION = 1
"""Raised when the names or meanings of inputs or outputs change."""

METADATA_KEY = "mtl_perception"

IMAGES, FOCAL_PX = "images_rgb", "focal_px"
"""Names of a graph's inputs; see ``Graph.forward``. Its outputs are named as that function's answers."""


Precision = Literal["float32", "float16", "int8"]

MOST_VALUES = 2**28
"""Of one tensor: a gigabyte in single precision."""


class ExportedGraph(BaseModel):
    """The metadata of an exported file.

    Attributes:
        width, height: of the images that the graph takes, pixels.
        batch: how many at a time.
        tasks: of the card's, those that the graph has.
    """

    model_config = ConfigDict(extra="forbid")

    export_version: int = EXPORT_VERSION
    card: ModelCard
    width: int = Field(gt=0, le=2**14)
    height: int = Field(gt=0, le=2**14)
    batch: int = Field(gt=0, le=2**10)
    tasks: list[str] = Field(min_length=1)
    precision: Precision

    @model_validator(mode="after")
    def _consistent(self) -> ExportedGraph:
        unknown = next((name for name in self.tasks if name not in self.card.tasks or self.tasks.count(name) > 1), None)
        if unknown is not None:
            raise ValueError(f"tasks name {shown(unknown)}, expected each at most once of: {', '.join(self.card.tasks)}")
        if 3 * self.width * self.height * self.batch > MOST_VALUES:
            raise ValueError(f"{self.batch} images of {self.width}×{self.height} are more than {MOST_VALUES} values")
        return self

    @classmethod
    def parse(cls, path: Path, metadata: Mapping[str, str]) -> ExportedGraph:
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
            content = from_json(metadata[METADATA_KEY])
            version = content.get("export_version")
        except (ValueError, AttributeError) as error:
            raise CheckpointError(f"{path}: its card is not a JSON object ({error}); the file is damaged, export it again") from error
        if version != EXPORT_VERSION:
            raise CheckpointError(
                f"{path} was exported in version {shown(version)}, this version of mtl_perception runs {EXPORT_VERSION}; "
                "export the checkpoint again with 'mtl-perception export'"
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise CheckpointError(f"{path}: its card is not valid: {problems(error, cls, 'card')}") from None
