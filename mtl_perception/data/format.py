# SPDX-License-Identifier: Apache-2.0
"""What the index files of a data folder hold, format 2 (docs/data.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, TypeAdapter, ValidationError

from mtl_perception.scene import UNLABELLED

FORMAT_VERSION = 2
TASKS = ("detection", "segmentation", "depth", "classification", "lanes")
"""The kinds of label that a folder can hold."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
PositiveFinite = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class DataError(ValueError):
    """A data set that can't be used; the message names the file, what was expected and what to do.

    Attributes:
        kind: a word or two for tables, such as "unreadable".
    """

    def __init__(self, message: str, kind: str = "index") -> None:
        super().__init__(message)
        self.kind = kind


class Problem(NamedTuple):
    """Something wrong with a data set.

    Attributes:
        kind: a word or two for tables.
        text: names the file or entry, what it holds and what was expected.
        is_error: False for what training can live with.
    """

    kind: str
    text: str
    is_error: bool = True


class Description(BaseModel):
    """dataset.json: class names in the order of their ids, and how the data came about."""

    model_config = ConfigDict(extra="allow", frozen=True)

    segmentation_labels: list[str] = Field(max_length=UNLABELLED)
    detection_labels: list[str]
    classification_labels: list[str] = []
    lanes_labels: list[str] = Field([], max_length=8)


# There can be a hundred thousand of each of the following: slots make them small and quick to read.


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera of cameras.json, in pixels of its images.

    Attributes:
        depth_scale: ``nominal`` where the metres of its depth images, or its focal length, are not to be trusted: such depth is right up
            to one factor an image and teaches shape alone.
    """

    width: PositiveInt
    height: PositiveInt
    fx: PositiveFinite
    fy: PositiveFinite
    cx: Finite
    cy: Finite
    depth_scale: Literal["metric", "nominal"] = "metric"


@dataclass(frozen=True, slots=True)
class Cameras:
    """cameras.json."""

    cameras: dict[str, Camera]


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One image of annotations.json.

    Attributes:
        file_name: below images/; the labels have the same name with .png below semantic/, depth/, lanes/.
        group: what a split must keep together, such as the room or the drive.
        tasks: what the image is labelled for.
        camera: key in cameras.json; None where the camera is not calibrated.
        detection_labels: the classes whose things all have boxes in this image; None: all of them.
        classes: those of the classification labels that apply to the image.
    """

    id: int
    file_name: str
    width: PositiveInt
    height: PositiveInt
    group: str
    tasks: list[str]
    camera: str | None = None
    detection_labels: list[str] | None = None
    classes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Box3D:
    """A thing in space: metres, in the camera's optical frame."""

    center_m: tuple[Finite, Finite, Finite]
    size_m: tuple[PositiveFinite, PositiveFinite, PositiveFinite]
    quaternion_xyzw: tuple[Finite, Finite, Finite, Finite]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One box of annotations.json.

    Attributes:
        bbox: x, y, width, height in pixels.
        score: of a box that a network proposed, how sure it was; such a box may be of a class that is not labelled in the image:
            then it says that this thing is there, and nothing of others. None: somebody drew it.
    """

    id: int
    image_id: int
    category_id: int
    bbox: tuple[Finite, Finite, Finite, Finite]
    iscrowd: Annotated[int, Field(ge=0, le=1)] = 0
    box_3d: Box3D | None = None
    score: Annotated[float, Field(gt=0, le=1)] | None = None


@dataclass(frozen=True, slots=True)
class MaskedAnnotation(Annotation):
    """One box with its instance's mask: COCO's run lengths, or polygons."""

    segmentation: dict[str, Any] | list[list[Finite]] | None = None


@dataclass(frozen=True, slots=True)
class Category:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Annotations:
    """annotations.json without the instance masks, which take most of its room."""

    images: list[ImageEntry]
    annotations: list[Annotation]
    categories: list[Category]


@dataclass(frozen=True, slots=True)
class MaskedAnnotations:
    """annotations.json, all of it."""

    images: list[ImageEntry]
    annotations: list[MaskedAnnotation]
    categories: list[Category]


T = TypeVar("T")


def parse(path: Path, kind: type[T]) -> T:
    """An index file as ``kind``.

    Raises:
        DataError: the file is missing, is not JSON, or holds something else.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        hint = "a data set is a folder that 'mtl-perception render' writes, or one as in docs/data.md"
        raise DataError(f"{path} does not exist; {hint}", "missing") from None
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        raise DataError(f"{path} {_first_problems(error)}") from None


def parse_description(path: Path) -> Description:
    """dataset.json.

    Raises:
        DataError: as ``parse``, or it is of another format.
    """
    content = parse(path, dict[str, Any])
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise DataError(
            f"{path} is of format_version {version!r}, this version reads {FORMAT_VERSION}; "
            "render the data again, or write it with mtl_perception.data.writer"
        )
    try:
        return Description.model_validate(content)
    except ValidationError as error:
        raise DataError(f"{path} {_first_problems(error)}") from None


def _first_problems(error: ValidationError) -> str:
    problems = error.errors()
    if problems[0]["type"] == "json_invalid":
        return f"is not valid JSON: {problems[0]['ctx']['error']}"
    named = [f"{'.'.join(map(str, p['loc'])) or 'content'}: {p['msg']}" for p in problems[:3]]
    return (
        "is not as expected: "
        + "; ".join(named)
        + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
    )
