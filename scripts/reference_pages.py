# SPDX-License-Identifier: Apache-2.0
"""Pages of the documentation that are written from the code: a hook of MkDocs, called at each build (mkdocs.yml).

Needs ROS: ``scripts/run mkdocs build``.
"""

from __future__ import annotations

import inspect
import os.path
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel

from mtl_perception.reporting.tables import markdown

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"\[([^\]]+)\]\(((?!\w+:)[^)#\s]+)(#[^)\s]*)?\)")
# Files outside of docs/ that have a page here.
_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "reference/contributing.md", "CHANGELOG.md": "reference/changes.md"}
_PAGES["config/robot.yaml"] = "reference/parameters.md"


# ---------------------------------------------------------------------------------------------------------------------
# What MkDocs calls


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are written here."""
    pages = {
        "reference/topics.md": topics_page(),
        "reference/parameters.md": parameters_page(),
        "reference/training.md": training_page(),
        "reference/commands.md": commands_page(),
        "reference/contributing.md": _moved("CONTRIBUTING.md", "reference/contributing.md"),
        "reference/changes.md": _moved("CHANGELOG.md", "reference/changes.md"),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leads links to files outside of docs/ to their page here; those that have none become their path."""
    return _outside_links(markdown, Path("docs", page.file.src_uri).parent)


def _moved(path: str, to: str) -> str:
    """The text of a file in the root, with links that fit where it is shown."""
    text = (ROOT / path).read_text()
    return _LINK.sub(
        lambda link: f"[{link[1]}]({os.path.relpath(ROOT / link[2], (ROOT / 'docs' / to).parent)}{link[3] or ''})",
        text,
    )


def _outside_links(markdown: str, folder: Path) -> str:
    def lead(link: re.Match) -> str:
        path = os.path.normpath(folder / link[2])
        if path.startswith("docs/") and not path.endswith((".json", ".py")):
            return link[0]
        if path in _PAGES:
            return f"[{link[1]}]({os.path.relpath(Path('docs', _PAGES[path]), folder)})"
        return link[1] if link[1].strip("`") == path else f"{link[1]} (`{path}`)"

    return _LINK.sub(lead, markdown)


# ---------------------------------------------------------------------------------------------------------------------
# The node


def parameters_page() -> str:
    """Returns the page of the node's parameters, from ``ros.node.specs``."""
    from mtl_perception.ros.node.specs import PER_CAMERA, SPECS

    lines = [
        "# Parameters of the node",
        "",
        "[How to set them](../tutorial.md): in a YAML file such as `config/robot.yaml`, or `-p name:=value`. Those of *run time* can be",
        "changed while the node runs (`ros2 param set`); a value that cannot be is refused with the reason.",
        "",
    ]
    rows = [["parameter", "default", "values", "meaning"]]
    for spec in SPECS:
        values = [f"`{choice}`" for choice in spec.choices]
        if spec.low is not None:
            values.append(f"{spec.low:g} to {spec.high:g}")
        when = " *Run time.*" if spec.at_run_time else ""
        rows.append([f"`{spec.name}`", _code(spec.default), ", ".join(values), _cell(_sentence(spec.description)) + when])
    lines += [
        markdown(rows, figures=False),
        "",
        f"With several cameras these may also be given for one of them, as `front.transport`: {', '.join(f'`{n}`' for n in PER_CAMERA)}.",
    ]
    return "\n".join(lines) + "\n"


def topics_page() -> str:
    """Returns the page of the node's topics, from ``ros.outputs.topics``."""
    from mtl_perception.ros.outputs.topics import TOPICS

    lines = [
        "# Topics",
        "",
        "The node reads `~/image` (`sensor_msgs/Image`) or, with `transport: compressed`, `~/image/compressed`,",
        "`~/image/ffmpeg`, `~/image/foxglove` or `~/image/theora`, and `~/camera_info`;",
        "a depth sensor on `~/depth/image` and a laser on `~/scan`, if they are wanted.",
        "It writes what is listed here, with the header of the image unchanged. With `cameras: [front, left]` each has its own topics,",
        "such as `~/front/detections`.",
        "A head whose topics nobody reads is not run. `/diagnostics` says what is wrong and what to do.",
        "",
    ]
    rows = [["topic", "type", "of the tasks", "reliability", "content"]]
    for name, topic in sorted(TOPICS.items()):
        reliability = "reliable, transient local" if topic.is_latched else "`output.reliability`"
        message_type = topic.type_name.replace("/msg/", "/")
        content = topic.purpose + (f"; not there where {topic.missing_when}" if topic.missing_when else "")
        rows.append([f"`~/{name}`", f"`{message_type}`", ", ".join(topic.tasks), reliability, _cell(_sentence(content))])
    lines += [markdown(rows, figures=False), "", "## Messages of this package", ""]
    for path in sorted((ROOT / "msg").glob("*.msg")):
        lines += [f"### {path.stem}", "", "```text", path.read_text().strip(), "```", ""]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------------------------------------------------
# Configurations and commands


def training_page() -> str:
    """Returns the page of training configurations, from the pydantic models and their docstrings."""
    from mtl_perception.training.config import TrainingConfig

    lines = [
        "# Training configuration",
        "",
        "The keys of a file for `mtl-perception train`; [training](../training.md) says how they are used.",
        "",
    ]
    waiting: list[type[BaseModel]] = [TrainingConfig]
    done: set[type[BaseModel]] = set()
    while waiting:
        model = waiting.pop(0)
        if model in done:
            continue
        done.add(model)
        summary, meanings = _docstring(model)
        rows = [["key", "type", "default", "meaning"]]
        for name, field in model.model_fields.items():
            kind, models = _type(field.annotation)
            waiting += models
            default = "*required*" if field.is_required() else _code(field.get_default(call_default_factory=True))
            rows.append([f"`{name}`", _cell(kind), default, _cell(_sentence(meanings.get(name, "")))])
        lines += [f"## {model.__name__}", "", summary, "", markdown(rows, figures=False), ""]
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Returns the page of the command line, from its help texts."""
    import typer

    from mtl_perception.cli.app import app

    lines = ["# Commands", "", "`mtl-perception COMMAND --help` says the same.", ""]
    group = typer.main.get_command(app)
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        lines += [f"## {name}", "", inspect.cleandoc(command.help or ""), ""]
        rows = [["argument or option", "default", "meaning"]]
        for parameter in command.params:
            is_option = parameter.param_type_name == "option"
            name = ", ".join(parameter.opts) if is_option else parameter.name.upper()
            default = _code(parameter.default) if is_option and parameter.default not in (None, False) else ""
            if not getattr(parameter, "hidden", False):
                rows.append([f"`{name}`", default, _cell(parameter.help or "")])
        if len(rows) > 1:
            lines += [markdown(rows, figures=False), ""]
    return "\n".join(lines) + "\n"


def _docstring(model: type) -> tuple[str, dict[str, str]]:
    """The first paragraph of a class's docstring, and what its section Attributes says of each."""
    text = inspect.getdoc(model) or ""
    summary, _, attributes = text.partition("\nAttributes:\n")
    meanings: dict[str, str] = {}
    for name, said in re.findall(r"^ {4}([\w, ]+): ((?:.|\n {8})+)", attributes, re.MULTILINE):
        meanings |= dict.fromkeys(re.split(r", ", name), " ".join(said.split()))
    return " ".join(summary.split()), meanings


def _type(annotation: Any) -> tuple[str, list[type[BaseModel]]]:
    """How a field's type is written, and the models in it."""
    models: list[type[BaseModel]] = []

    def collect(part: Any) -> None:
        if inspect.isclass(part) and issubclass(part, BaseModel):
            models.append(part)
        for inner in getattr(part, "__args__", ()):
            collect(inner)

    collect(annotation)
    if inspect.isclass(annotation) and not getattr(annotation, "__args__", ()):
        text = annotation.__name__
    else:
        text = re.sub(r"\b(?:\w+\.)+(?=\w)", "", str(annotation))
    text = re.sub(r"Annotated\[(\w+), [^\]]*\]\)?\]?", r"\1", text)
    return (f"one of {len(models)} methods" if len(models) > 6 else f"`{text}`"), models


def _code(value: Any) -> str:
    if isinstance(value, BaseModel):
        return f"`{getattr(value, 'method', type(value).__name__)}`"
    return f"`{value}`" if value not in ("", None) else "*none*" if value is None else '`""`'


def _cell(text: str) -> str:
    return text.replace("<", "&lt;")


def _sentence(text: str) -> str:
    """``text`` as a sentence: with a capital and a full stop."""
    return text and text[0].upper() + text[1:].rstrip(".") + "."
