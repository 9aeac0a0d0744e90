# SPDX-License-Identifier: Apache-2.0
"""Where the files lie that come with the package: checkpoints, configuration, the recorded drive."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def roots() -> list[Path]:
    """Folders that may hold `models/`, `config/` and `bags/`, the nearest to this code first.

    A source checkout has all of them; a `pip install` has `models/` inside the package; a colcon or apt install has
    all of them in `share/mtl_perception`.
    """
    checkout = [_PACKAGE.parent] if (_PACKAGE.parent / "package.xml").is_file() else []
    prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    return [*checkout, _PACKAGE, *(prefix / "share" / "mtl_perception" for prefix in prefixes)]


def resource(relative: str) -> Path:
    """The shipped file or folder `relative`, for instance `config/robot.yaml` or `bags/demo`.

    Raises FileNotFoundError, naming every place that was searched.
    """
    places = [root / relative for root in roots()]
    for place in places:
        if place.exists():
            return place
    searched = "\n".join(f"  {place}" for place in places)
    raise FileNotFoundError(
        f"'{relative}' does not come with this installation of mtl_perception; searched\n{searched}\n"
        "Run from a source checkout, or source the install/setup.bash of the colcon workspace it was built in."
    )


def shipped_models() -> dict[str, Path]:
    """Name → checkpoint of every model that comes with the package."""
    found: dict[str, Path] = {}
    for root in roots():
        for path in sorted((root / "models").glob("*.safetensors")):
            if path.is_file():  # colcon leaves links to models that are no longer shipped
                found.setdefault(path.stem, path)
    return found


def find_model(model: str | Path) -> Path:
    """The checkpoint that a user names: a shipped model's name (`lite`), or a path to a file.

    Raises FileNotFoundError, naming the models there are.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return path
    models = shipped_models()
    if str(model) in models:
        return models[str(model)]
    raise FileNotFoundError(
        f"no model '{model}': it is neither a file nor one of the shipped models "
        f"({', '.join(sorted(models)) or 'none are installed'}). Give a shipped name or the path of a .safetensors file."
    )
