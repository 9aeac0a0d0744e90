# SPDX-License-Identifier: Apache-2.0
"""The index files of a data folder, format 2 (docs/data.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from mtl_perception.core.foreign_text import LONGEST, cut
from mtl_perception.data.content import printed, read_content
from mtl_perception.data.errors import DataError
from mtl_perception.tasks import LABELS

FORMAT_VERSION = 2
TASKS = tuple(kind for kind, codec in LABELS.items() if codec.place != "made")
"""The kinds of label that a folder can hold."""

_MAX_INDEX_BYTES = 4_000_000_000
_MOST_NAMED = 3
_UTF_16 = "is UTF-16, expected UTF-8; convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW"
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": r"begins with a byte order mark (BOM), which JSON does not have; remove it: sed -i '1s/^\xEF\xBB\xBF//' FILE",
    b"\xff\xfe": _UTF_16,
    b"\xfe\xff": _UTF_16,
}

# Strict: "7", 7.0 and true are no id, and "7.5" is no number. The limits are those of the arrays that take them.
Id = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
Side = Annotated[int, Field(strict=True, gt=0, le=1_000_000)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Measure = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e9, le=1e9)]
PositiveMeasure = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False, le=1e9)]


class Description(BaseModel):
    """dataset.json: class names in the order of their ids, and how the data came about.

    Attributes:
        source, license: where the images and labels are from, and their licence; a model's card tells both.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    source: str = ""
    license: str = ""

    def labels(self, kind: str) -> list[str]:
        """Class names of the labels of this kind; none for a kind without classes."""
        return list(getattr(self, f"{kind}_labels", []))


def _lists() -> dict[str, Any]:
    """The lists of class names that dataset.json may hold, or must."""
    codecs = {kind: codec for kind, codec in LABELS.items() if codec.has_classes}
    return {
        f"{kind}_labels": (list[str], Field(... if codec.is_listed else [], max_length=codec.most_classes))
        for kind, codec in codecs.items()
    }


# Under its own name, by which another process finds it again.
_DescriptionWithLists = create_model("_DescriptionWithLists", __base__=Description, __module__=__name__, **_lists())


# There can be a hundred thousand of each of the following: slots make them small and quick to read.


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera of cameras.json, in pixels of its images.

    Attributes:
        depth_scale: ``nominal`` where the metres of its depth images, or its focal length, are not to be trusted: such depth is right up
            to one factor an image and teaches shape alone.
    """

    width: Side
    height: Side
    fx: PositiveMeasure
    fy: PositiveMeasure
    cx: Measure
    cy: Measure
    depth_scale: Literal["metric", "nominal"] = "metric"


@dataclass(frozen=True, slots=True)
class Cameras:
    """cameras.json."""

    cameras: dict[str, Camera]


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One image of annotations.json.

    Attributes:
        file_name: below images/; the PNGs of its labels have the same name, below the folders of their kinds.
        group: what a split must keep together, such as the room or the drive.
        tasks: what the image is labelled for.
        camera: key in cameras.json; None where the camera is not calibrated.
        detection_labels: the classes whose objects all have boxes in this image; None: all of them.
        classes: those of the classification labels that apply to the image.
    """

    id: Id
    file_name: str
    width: Side
    height: Side
    group: str
    tasks: list[str]
    camera: str | None = None
    detection_labels: list[str] | None = None
    classes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Box3D:
    """An object in space: metres, in the camera's optical frame."""

    center_m: tuple[Measure, Measure, Measure]
    size_m: tuple[PositiveMeasure, PositiveMeasure, PositiveMeasure]
    quaternion_xyzw: tuple[Measure, Measure, Measure, Measure]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One box of annotations.json.

    Attributes:
        bbox: x, y, width, height in pixels.
        score: of a box that a network proposed, how sure it was; such a box may be of a class that is not labelled in the image:
            then it says that this object is there, and nothing of others. None: somebody drew it.
    """

    id: Id
    image_id: Id
    category_id: Id
    bbox: tuple[Finite, Finite, Finite, Finite]
    iscrowd: Annotated[int, Field(ge=0, le=1)] = 0
    box_3d: Box3D | None = None
    score: Annotated[float, Field(gt=0, le=1)] | None = None


@dataclass(frozen=True, slots=True)
class MaskedAnnotation(Annotation):
    """One box with its instance's mask: COCO's run lengths, or polygons."""

    segmentation: Any = None  # masks.decode_mask says what may be here


@dataclass(frozen=True, slots=True)
class Category:
    """A class of boxes, as in COCO."""

    id: Id
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
        content = read_content(path, _MAX_INDEX_BYTES)
    except DataError as error:
        if error.kind == "missing":
            raise DataError(f"{printed(path)} does not exist; {_WHAT_A_SET_IS}", "missing") from None
        raise
    for mark, problem in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            raise DataError(f"{printed(path)} {problem}")
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        raise DataError(f"{printed(path)} {_first_problems(error)}") from None


def parse_description(path: Path) -> Description:  # pyright: ignore[reportInvalidTypeForm]
    """dataset.json.

    Raises:
        DataError: as ``parse``, or it is of another format.
    """
    content = parse(path, dict[str, Any])
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise DataError(
            f"{printed(path)} is of format_version {cut(_as_json(version))}, this version reads {FORMAT_VERSION}; "
            "render the data again, or write it with mtl_perception.data.writer"
        )
    try:
        return _DescriptionWithLists.model_validate(content)
    except ValidationError as error:
        raise DataError(f"{printed(path)} {_first_problems(error)}") from None


def _first_problems(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    if problems[0]["type"] == "json_invalid":
        return f"is not valid JSON: {cut(problems[0]['ctx']['error'])}"  # pyright: ignore[reportTypedDictNotRequiredAccess]
    missing = [problem["loc"] for problem in problems if problem["type"] == "missing"]
    if {("images", 0, "group"), ("images", 0, "tasks")} <= set(missing):
        return f"is plain COCO: its images have neither group nor tasks; {_CONVERT}"
    named = "; ".join(map(_in_words, problems[:_MOST_NAMED]))
    rest = f"; and {len(problems) - _MOST_NAMED} more" if len(problems) > _MOST_NAMED else ""
    return f"is not as expected: {named}{rest}"


def _in_words(problem: Any) -> str:
    text = f"{cut('.'.join(map(str, problem['loc']))) or 'content'}: {problem['msg']}"
    if problem["type"] == "missing":
        return text
    is_quoted = isinstance(problem["input"], str) and problem["type"] in ("int_type", "float_type")
    return f"{text}, got {cut(_as_json(problem['input']))}" + "; write numbers without quotes" * is_quoted


def _as_json(value: object) -> str:
    """Cut where it could be of any size."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of more than 19 digits"
    return json.dumps(value[:LONGEST] if isinstance(value, str) else value, ensure_ascii=False)


_CONVERT = "'mtl-perception import coco FOLDER --out NEW' makes a data set of it"
_WHAT_A_SET_IS = "a data set is a folder that 'mtl-perception render' or 'mtl-perception import' writes, or one as in docs/data.md"
