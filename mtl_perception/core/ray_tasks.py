# SPDX-License-Identifier: Apache-2.0
"""Work that goes picture by picture, spread over a Ray cluster."""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

_ANSWERS_WITHIN_S = 30


def in_order_on_ray(
    function: Callable[[Job], Result], jobs: Iterable[Job], address: str, at_once: int | None, tries: int, jobs_per_process: int | None
) -> Iterator[Result]:
    """Yields ``function(job)`` of each job, in their order; see ``workers.in_order``.

    Tasks whose process or machine is lost are done again by Ray, and an answer that is lost with its machine is made again.

    Args:
        at_once: tasks; None: as many as the cluster has processors.
        tries: of a job.
        jobs_per_process: then it is replaced.

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: there is no cluster at ``address``.
        ChildProcessError: a job lost its process every time.
    """
    try:
        import ray
    except ImportError:
        raise ImportError("--ray needs Ray, here and on the cluster: pip install 'mtl-perception[ray]'") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told of it
    try:
        if address != "auto":  # Ray itself takes minutes to find that nobody is there, and ends the process
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=_ANSWERS_WITHIN_S).close()
        ray.init(address, logging_level=logging.ERROR, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise ConnectionError(f"no Ray cluster can be reached at {address} ({reason}); 'ray start --head' starts one") from error
    waiting: Iterator[Job] = iter(jobs)
    running: deque[Any] = deque()
    try:
        asked = ray.remote(num_cpus=1, max_retries=tries - 1, max_calls=jobs_per_process or 0)(function)
        ahead = 2 * (at_once or max(1, int(ray.cluster_resources().get("CPU", 1))))
        while True:
            running.extend(asked.remote(job) for job in islice(waiting, ahead - len(running)))
            if not running:
                return
            try:
                result = ray.get(running[0])
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.ObjectLostError) as error:
                raise ChildProcessError(
                    f"a Ray worker was killed, {tries} times in a row, perhaps for lack of memory ({type(error).__name__}); "
                    "the same command resumes"
                ) from error
            running.popleft()
            yield result
    finally:
        for task in running:
            ray.cancel(task)
        ray.shutdown()
