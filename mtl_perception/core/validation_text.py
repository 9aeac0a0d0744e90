# SPDX-License-Identifier: Apache-2.0
"""Errors of pydantic, as one line for people."""

from __future__ import annotations

import difflib
import types
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from mtl_perception.core.foreign_text import LONGEST, cut

_LONGEST_MESSAGE = 400
_MOST_PROBLEMS = 5


def problems(error: ValidationError, model: type[BaseModel] | None = None, whole: str = "content") -> str:
    """The first problems, each as "key: expected …, got …"; never more of the content than the value that is wrong.

    Args:
        model: what the content was validated as; an unknown key is then told with the known ones.
        whole: name of the content, for problems that belong to no key.
    """
    found = error.errors(include_url=False)
    told = [_problem(one, model, whole) for one in found[:_MOST_PROBLEMS]]
    if len(found) > len(told):
        told.append(f"and {len(found) - len(told)} more")
    return "; ".join(told)


def shown(value: object) -> str:
    """A value as Python writes it, cut to 100 characters."""
    return repr(cut(value)) if isinstance(value, str) else cut(repr(value))


def did_you_mean(given: object, known: Collection[str]) -> str:
    """Returns "; did you mean 'NAME'?" if one of the ``known`` names is close to ``given``, else nothing."""
    close = difflib.get_close_matches(given[:LONGEST], known, 1) if isinstance(given, str) else []
    return f"; did you mean '{close[0]}'?" if close else ""


def _problem(one: Any, model: type[BaseModel] | None, whole: str) -> str:
    where, inside = _place(one["loc"], model)
    if one["type"] == "extra_forbidden":
        known = _keys(inside)
        listed = f"; known are: {', '.join(known)}" if known else ""
        return f"{where} is not a known key{did_you_mean(one['loc'][-1], known)}{listed}"
    name = where or whole
    if one["type"] == "missing":
        return f"{name} is missing"
    message = cut(one["msg"].removeprefix("Value error, ").replace("Input should be", "expected"), _LONGEST_MESSAGE)
    if one["type"] in ("value_error", "assertion_error", "json_invalid"):
        return f"{name}: {message}"  # a sentence of its own
    return f"{name}: {message}, got {_summary(one['input'])}"


def _summary(value: object) -> str:
    """A container by its kind alone: what is wrong is that it is one, or how long it is."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return f"a mapping of {len(value)}"
    if isinstance(value, (list, tuple, set)):
        return f"a list of {len(value)}"
    return shown(value) if isinstance(value, (str, bytes, bool, int, float)) else type(value).__name__


def _place(loc: tuple[int | str, ...], model: type[BaseModel] | None) -> tuple[str, list[Any]]:
    """The key as a user wrote it, and the types that may stand around its last step. In ``loc`` pydantic also says which
    type of a union it tried."""
    kinds, around, names = _alternatives(model), [], []
    for step in loc:
        around = kinds
        under = [kind for each in kinds for kind in _under(each, step)]
        tried = [kind for kind in kinds if step in _tags(kind)]  # pyright: ignore[reportOperatorIssue]
        if under or not tried:
            names.append(cut(step))
        kinds = under or tried
    return ".".join(names), around


def _under(kind: Any, step: int | str) -> list[Any]:
    """The types that the value under ``step`` may have."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _alternatives(kind.model_fields[step].annotation) if step in kind.model_fields else []
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return _alternatives(arguments[1])
    return _alternatives(arguments[0]) if get_origin(kind) in (list, tuple, set) and isinstance(step, int) else []


def _alternatives(annotation: Any) -> list[Any]:
    """The members of a union, or the type itself."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for member in get_args(annotation) for kind in _alternatives(member)]
    return [] if annotation is None else [annotation]


def _tags(kind: Any) -> Iterator[str]:
    """Yields the names that pydantic may give a member of a union: its class, or the constant that tells it from the others."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind.__name__
        yield from (field.default for field in kind.model_fields.values() if isinstance(field.default, str))


def _keys(kinds: list[Any]) -> list[str]:
    return [name for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel) for name in kind.model_fields]
