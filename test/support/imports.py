# SPDX-License-Identifier: Apache-2.0
"""Which modules a source file imports."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """A file, parsed and walked once for all that ask.

    Attributes:
        imports: (line, module) of each import; of ``from a import b`` both ``a`` and ``a.b``.
        roots: first parts of the modules that it imports by their full names.
        texts: (line, text) of each literal that is no docstring of a module, class or function.
        notes: (line, text) of each string that stands alone, as docstrings do.
    """

    imports: list[tuple[int, str]]
    roots: set[str]
    texts: list[tuple[int, str]]
    notes: list[tuple[int, str]]


@cache
def source(path: Path) -> Source:
    found = Source([], set(), [], [])
    docstrings: set[ast.Constant] = set()
    for node in ast.walk(ast.parse(path.read_text())):  # from the top down: a docstring's owner comes before it
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        else:
            names = []
        found.imports.extend((node.lineno, name) for name in names)
        found.roots.update(name.split(".")[0] for name in names)
        body = getattr(node, "body", None)
        for place, one in enumerate(body if isinstance(body, list) else []):
            if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
                found.notes.append((one.lineno, one.value.value))
                if place == 0 and isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                    docstrings.add(one.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            found.texts.append((node.lineno, node.value))
    return found


def is_ros(module: str) -> bool:
    named = ("rclpy", "cv_bridge", "launch", "launch_ros", "ament_index_python", "message_filters", "tf2_ros")
    return module in named or module.endswith(("_msgs", "_srvs", "_interfaces"))
