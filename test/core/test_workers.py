# SPDX-License-Identifier: Apache-2.0
"""Real worker processes: order, errors, kills, and an end that leaves none behind."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
from jobs import killed, killed_once, noted, refused, squared

from mtl_perception.core.workers import in_order

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    assert list(in_order(squared, range(12), workers)) == [number**2 for number in range(12)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_behind_the_results_before_it(workers: int) -> None:
    done = []
    with pytest.raises(ValueError, match="3 is not wanted"):
        for result in in_order(refused, range(12), workers):
            done.append(result)
    assert done == [0, 1, 2]


def test_one_worker_can_have_a_process_of_its_own(tmp_path: Path) -> None:
    assert list(in_order(noted, [(7, tmp_path)], 1, jobs_per_process=5)) == [7]
    assert [path.name for path in tmp_path.iterdir()] != [str(os.getpid())]


def test_jobs_are_taken_as_they_are_needed() -> None:
    taken = []

    def jobs():
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(squared, jobs(), 2)
    next(results)
    results.close()
    assert len(taken) <= 5


def test_a_job_whose_process_was_killed_is_done_again_and_none_twice(tmp_path: Path) -> None:
    assert list(in_order(killed_once, ((number, tmp_path) for number in range(10)), 2)) == list(range(10))


def test_a_worker_that_starts_while_another_is_killed_is_not_left_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, start = [], SpawnProcess.start

    def start_late(process: SpawnProcess) -> None:
        if len(started) == 1:
            started[0].join()
            time.sleep(1)  # the pool finds out
        started.append(process)
        start(process)

    monkeypatch.setattr(SpawnProcess, "start", start_late)
    assert list(in_order(killed_once, [(number, tmp_path) for number in (2, 3)], 2)) == [2, 3]
    assert [process for process in started if process.is_alive()] == []


def test_a_job_that_is_killed_every_time_ends_the_work_by_name() -> None:
    done = []
    with pytest.raises(ChildProcessError, match="killed, 3 times in a row.*fewer --workers"):
        for result in in_order(killed, range(10), 2):
            done.append(result)
    assert done == [0, 1]


PROGRAM = """
import sys
from pathlib import Path
from mtl_perception.core.workers import in_order
from jobs import noted
if __name__ == "__main__":
    try:
        for _ in in_order(noted, ((number, Path(sys.argv[1])) for number in range(1000)), 2):
            pass
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_the_process_that_started_it(tmp_path: Path, number: int) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "seen").mkdir()
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "seen")]
    path = os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while len(list((tmp_path / "seen").iterdir())) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does, to all of them
    else:
        process.kill()
    out, errors = process.communicate(timeout=600)
    if number == signal.SIGINT:
        assert (out, errors) == ("interrupted\n", "")
    workers = [Path("/proc") / path.name for path in (tmp_path / "seen").iterdir()]
    ends = time.monotonic() + 300
    while any(worker.exists() for worker in workers):
        assert time.monotonic() < ends
        time.sleep(0.05)
