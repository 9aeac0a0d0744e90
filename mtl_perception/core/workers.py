# SPDX-License-Identifier: Apache-2.0
"""Work that goes picture by picture, spread over processes of this machine or of a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from mtl_perception.core.interrupts import end_with_parent, kept_from_children, leave_to_parent

Job = TypeVar("Job")
Result = TypeVar("Result")

MOST_TRIES = 3
"""Of a job whose process is killed."""


@dataclass(frozen=True)
class OnRay:
    """A Ray cluster that works.

    Its machines have this package in the same version, models under the same paths, and the folders that are read and written.

    Attributes:
        address: HOST:PORT, or ``auto`` for a cluster that this machine belongs to.
        at_once: most tasks at a time; None: as many as the cluster has processors.
    """

    address: str
    at_once: int | None = None


Workers = int | OnRay
"""How many processes of this machine, or whose."""


def in_order(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: Workers, jobs_per_process: int | None = None
) -> Iterator[Result]:
    """Yields ``function(job)`` of each job, in their order.

    With one worker in this process; with more in as many spawned ones, which share the processors among them. Jobs are taken as they
    are needed. Those whose process was killed are done again, so a job must be such that this does no harm. Ctrl-C waits for the jobs
    that have begun, and no process outlives this one.

    Args:
        function: can be imported by its name. What it raises is raised here, behind the results before it.
        jobs_per_process: then another process takes its place, as what it used has leaks; not even one worker is this process.

    Raises:
        ImportError, ConnectionError: there is no Ray, or no cluster.
        ChildProcessError: the processes of one job were killed ``MOST_TRIES`` times.
    """
    if isinstance(workers, OnRay):
        from mtl_perception.core.ray_tasks import in_order_on_ray

        yield from in_order_on_ray(function, jobs, workers.address, workers.at_once, MOST_TRIES, jobs_per_process)
    elif jobs_per_process is not None:
        waiting = iter(jobs)
        while stretch := list(islice(waiting, workers * jobs_per_process)):
            yield from _in_processes(function, stretch, min(workers, len(stretch)))
    elif workers == 1:
        yield from map(function, jobs)
    else:
        yield from _in_processes(function, jobs, workers)


def _in_processes(function: Callable[[Job], Result], jobs: Iterable[Job], workers: int) -> Iterator[Result]:
    waiting, running = iter(jobs), deque[tuple[Future[Result], Job]]()
    pool, kills = _pool(workers), 0
    try:
        while True:
            try:
                with kept_from_children():
                    for i, (future, job) in enumerate(running):
                        if _was_lost(future):
                            running[i] = pool.submit(function, job), job
                    for job in islice(waiting, 2 * workers - len(running)):
                        # Kept before it is handed over: a pool that is broken by now would lose it.
                        running.append((_never_begun(), job))
                        running[-1] = pool.submit(function, job), job
                if not running:
                    return
                result = running[0][0].result()
            except (BrokenProcessPool, OSError) as error:  # the latter also of a process that was just being started
                if not pool._broken:
                    raise
                kills += 1
                if kills == MOST_TRIES:
                    raise ChildProcessError(
                        f"a worker process was killed, {kills} times in a row, perhaps for lack of memory; give fewer --workers; "
                        "the same command resumes"
                    ) from error
                _end(pool)
                pool = _pool(workers)
                continue
            kills = 0
            running.popleft()
            yield result
    finally:
        _end(pool)


def _pool(workers: int) -> ProcessPoolExecutor:
    threads = max(1, (os.cpu_count() or 1) // workers)
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker, (threads,))


def _end(pool: ProcessPoolExecutor) -> None:
    """Waits for the jobs that have begun. Of a broken pool Python ends the processes itself, but before 3.13 not one that was just being
    started, which would then wait for work without end."""
    if pool._broken:
        for process in list((pool._processes or {}).values()):
            process.kill()
    pool.shutdown(wait=True, cancel_futures=True)


def _was_lost(future: Future) -> bool:
    return future.cancelled() or (future.done() and isinstance(future.exception(), BrokenProcessPool))


def _never_begun() -> Future:
    future: Future = Future()
    future.cancel()
    return future


def _start_worker(threads: int) -> None:
    leave_to_parent()
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read by PyTorch when it is imported, which is later
    import cv2

    cv2.setNumThreads(threads)
    end_with_parent()
