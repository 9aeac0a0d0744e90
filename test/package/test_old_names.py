# SPDX-License-Identifier: Apache-2.0
"""What was renamed since 0.1 still works, with one line that says the new name."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest
from toy import settings_of

from mtl_perception._moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_a_module_is_found_by_its_old_name(old: str) -> None:
    new = import_module(f"mtl_perception.{MOVED[old]}")
    spec = new.__spec__
    sys.modules.pop(f"mtl_perception.{old}", None)
    with pytest.warns(FutureWarning, match=f"mtl_perception.{old} is now mtl_perception.{MOVED[old]};"):
        assert import_module(f"mtl_perception.{old}") is new
    assert new.__spec__ is spec and new.__name__ == f"mtl_perception.{MOVED[old]}"


def test_a_user_reads_one_line() -> None:
    code = "from mtl_perception.scene import Boxes3D; from mtl_perception.core import scene; assert Boxes3D is scene.Boxes3D"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0
    assert found.stderr.count("FutureWarning: mtl_perception.scene is now mtl_perception.core.scene") == 1


def test_what_never_was_is_not_found() -> None:
    assert find_spec("mtl_perception.nothing") is None
    with pytest.raises(ModuleNotFoundError, match=r"mtl_perception\.nothing"):
        import_module("mtl_perception.nothing")


def test_settings_without_effect_are_named() -> None:
    settings = settings_of("nash_mtl", update_weights_every=2, optim_niter=20)
    first, second = settings.remarks([["a", "b"]], 100)
    assert "'update_weights_every' is deprecated and has no effect" in first and "'optim_niter'" in second
    assert settings_of("nash_mtl").remarks([["a", "b"]], 100) == []
    assert settings.model_dump() == settings_of("nash_mtl").model_dump()
