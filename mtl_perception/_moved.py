# SPDX-License-Identifier: Apache-2.0
"""Names that modules had in 0.1: they can be imported for one release more, with a warning that says the new one."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "bag_transforms": "bags.transforms",
    "balancing": "training.balancing",
    "checkpoint": "model.checkpoint",
    "drawing": "core.drawing",
    "encoders": "model.encoders",
    "files": "core.files",
    "geometry": "core.geometry",
    "lens": "core.lens",
    "necks": "model.necks",
    "network": "model.network",
    "resources": "core.resources",
    "scene": "core.scene",
    "sharing": "model.sharing",
    "spatial.rotation": "core.rotation",
    "transforms": "core.transforms",
    "yaml_file": "core.yaml_file",
}
"""Old → new, below mtl_perception."""

_PACKAGE = __name__.rpartition(".")[0] + "."


class MovedModules(MetaPathFinder, Loader):
    """Finds a module by its old name: it is the one of the new name, not a copy."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        known = fullname.startswith(_PACKAGE) and fullname.removeprefix(_PACKAGE) in MOVED
        return ModuleSpec(fullname, self) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = _PACKAGE + MOVED[spec.name.removeprefix(_PACKAGE)]
        warnings.warn(f"{spec.name} is now {new}; the old name goes with the next release", FutureWarning, stacklevel=2)
        module = import_module(new)
        spec.loader_state = module.__spec__  # the import system lays its own over it
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def allow_old_names() -> None:
    """Let the old names be imported from now on."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedModules())  # before a folder of the old name that held only compiled files is taken for a package
