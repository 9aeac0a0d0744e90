# SPDX-License-Identifier: Apache-2.0
import functools
import os

import pytest
from skipped_module import skipped_without


def pytest_pycollect_makemodule(module_path, parent):
    return skipped_without("mujoco", "MuJoCo is not installed (there is none for Python 3.10)", module_path, parent)


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
