# SPDX-License-Identifier: Apache-2.0
"""A real Ray cluster on this machine: a head without processors, and two workers of one each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jobs import killed, killed_once, refused, squared, with_its_process

from mtl_perception.core.workers import OnRay, in_order

pytest.importorskip("ray", reason="needs the extra 'ray'")
pytestmark = pytest.mark.slow
SUPPORT = Path(__file__).parents[1] / "support"


def started(start: Callable[[], Any]) -> Any:
    """Ray gives a node 30 s to start, which a busy machine may not."""
    until_s = time.monotonic() + 600
    while True:
        try:
            return start()
        except Exception:
            if time.monotonic() > until_s:
                raise


@pytest.fixture(scope="module")
def cluster() -> Iterator[OnRay]:
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 2**27}
        made = started(lambda: Cluster(initialize_head=True, head_node_args=head))
        try:
            for _ in range(2):
                started(lambda: made.add_node(num_cpus=1, object_store_memory=2**27))
            made.wait_for_nodes(timeout=600)
            yield OnRay(made.address)
        finally:
            made.shutdown()


def test_results_come_in_the_order_of_the_jobs(cluster: OnRay) -> None:
    assert list(in_order(squared, range(12), cluster)) == [number**2 for number in range(12)]


def test_two_workers_share_the_jobs(cluster: OnRay) -> None:
    found = list(in_order(with_its_process, range(40), cluster))
    assert [number for number, _ in found] == list(range(40))
    assert len({process for _, process in found}) >= 2


def test_a_killed_worker_loses_nothing_and_doubles_nothing(cluster: OnRay, tmp_path: Path) -> None:
    assert list(in_order(killed_once, ((number, tmp_path) for number in range(10)), cluster)) == list(range(10))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "6"]


def test_an_error_and_a_job_that_kills_come_behind_the_results_before_them(cluster: OnRay) -> None:
    for function, kind, words, before in ((refused, ValueError, "3 is not wanted", 3), (killed, ChildProcessError, "killed, 3 times", 2)):
        done = []
        with pytest.raises(kind, match=words):
            for result in in_order(function, range(6), cluster):
                done.append(result)
        assert done == list(range(before))


def test_jobs_are_taken_as_they_are_needed(cluster: OnRay) -> None:
    taken = []

    def jobs():
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(squared, jobs(), OnRay(cluster.address, at_once=1))
    next(results)
    results.close()
    assert len(taken) <= 3


def test_processes_are_replaced(cluster: OnRay) -> None:
    found = list(in_order(with_its_process, range(6), cluster, jobs_per_process=1))
    assert len({process for _, process in found}) == 6


def test_a_cluster_that_is_not_there_is_named() -> None:
    with pytest.raises(ConnectionError, match="no Ray cluster can be reached at 127.0.0.1:9 .*ray start"):
        list(in_order(squared, range(2), OnRay("127.0.0.1:9")))
