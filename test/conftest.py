# SPDX-License-Identifier: Apache-2.0
"""The environment of all tests and of every process that they start."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from domain import use_own_domain

ROOT = Path(__file__).parents[1]

# What pyproject.toml lays on sys.path for the tests, for their processes too.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "test" / "support"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)

# A shell ignores SIGINT in what it starts in the background, and every process that a test interrupts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nobody else's nodes: every process of tests has a domain of its own, each worker of `pytest -n` too.
use_own_domain()

# The networks of the tests are tiny: one thread is quicker, by far where the machine has other work too. Read by
# torch when it is first imported, here and in every process that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):  # pytest-xdist would begin with the files of many tests, and end with one long test
        config.option.loadscopereorder = False


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    _mark(items)
    yield  # -m and -k select
    if "PYTEST_XDIST_WORKER" in os.environ:
        _begin_with_long_files(items)


def _begin_with_long_files(items: list[pytest.Item]) -> None:
    """So that the processes end at about the same time: what is begun last should be short. ``slow(30)`` takes about 30 s."""
    duration_s: dict[Path, float] = {}
    for item in items:
        slow = item.get_closest_marker("slow")
        own_s = 0.05 if slow is None else slow.args[0] if slow.args else 2.0
        duration_s[item.path] = duration_s.get(item.path, 0.0) + own_s
    items.sort(key=lambda item: -duration_s[item.path])


def _mark(items: list[pytest.Item]) -> None:
    """Marks by what a test uses, where nobody would think of it: nodes over DDS, those that start one for themselves, and renderers."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if {"peer", "start_node", "start_shared_node"} & set(fixtures):
            item.add_marker("ros")
        if "start_node" in fixtures:
            item.add_marker("slow")
        if {"vulkan", "renderer", "classic"} & set(fixtures):
            item.add_marker("render")


@pytest.fixture(autouse=True)
def _ordinary_priority() -> Generator[None, None, None]:
    """No test leaves a thread with real-time priority behind, as an encoder of video may: what it starts would have it too, and
    nothing else on the machine would run beside it."""
    yield
    real_time = [task for task in os.listdir("/proc/self/task") if _scheduling(int(task)) in (os.SCHED_FIFO, os.SCHED_RR)]
    assert not real_time, f"{len(real_time)} threads of this process have real-time priority; run what sets it in a process of its own"


def _scheduling(thread: int) -> int:
    try:
        return os.sched_getscheduler(thread)
    except ProcessLookupError:  # it has ended meanwhile
        return os.SCHED_OTHER


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Says below everything else what did not run for want of a system package."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker of `pytest -n`: the process that started it says it for all
        return
    not_rendered = sum("render" in getattr(report, "keywords", ()) for report in reporter.stats.get("skipped", []))
    if not_rendered:
        reporter.write_line(
            f"{not_rendered} tests that render did not run, for want of a driver. "
            "On Debian and Ubuntu: sudo apt install libvulkan1 mesa-vulkan-drivers libegl1 libgl1-mesa-dri"
        )
