# SPDX-License-Identifier: Apache-2.0
import functools
import os
from importlib.util import find_spec

import pytest


class SkippedModule(pytest.Module):
    def collect(self):
        pytest.skip("MuJoCo is not installed (there is none for Python 3.10)")


def pytest_pycollect_makemodule(module_path, parent):
    """Files of tests that could not even be imported are skipped."""
    return SkippedModule.from_parent(parent, path=module_path) if find_spec("mujoco") is None else None


@pytest.fixture(scope="session")
def vulkan():
    """Skips where nothing can be rendered."""
    from mtl_perception.simulation.renderer import RendererError, check_vulkan

    try:
        check_vulkan()
    except RendererError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def built():
    """One room of each kind and its compiled world, by the kind's name and content; they take a second each."""

    @functools.cache
    def build(place, content=1):
        from mtl_perception.simulation.room import furnished_room

        room = furnished_room((21, 0), place=place, content=content)
        return room, room.world.compile()

    return build


@pytest.fixture(scope="session")
def renderer(vulkan):
    from mtl_perception.simulation.renderer import RoomRenderer

    os.environ.setdefault("LP_NUM_THREADS", "1")
    return RoomRenderer(160, 120)
