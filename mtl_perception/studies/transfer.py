# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception report transfer``: does a multi-task network do better than one network a task?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console

from mtl_perception.core.files import write_atomically
from mtl_perception.evaluation.command import require_writable
from mtl_perception.studies.document import write_document
from mtl_perception.studies.plan import PlannedRun, TransferConfig, plan, plan_trials, read_transfer_config, remarks
from mtl_perception.studies.processes import in_processes
from mtl_perception.studies.runs import RunResult, TransferError, finished
from mtl_perception.studies.sweep import choose_rates
from mtl_perception.studies.transfer_table import Transfer, tabulate
from mtl_perception.studies.unseen import check_unseen


def report_transfer(path: Path, seeds: int, console: Console, docs: Path | None = None, training: bool = True, jobs: int = 1) -> Transfer:
    """Train and score what is missing, and write index.html, transfer.md and transfer.json after each run that adds to them.

    Args:
        path: a configuration such as config/transfer.yaml.
        seeds: of each network, from 0; two at least, and five for a claim. Networks of one seed are pairs.
        docs: a folder for transfer.md with its charts beside it, as for the documents of a repository.
        training: False for a report of what is done, whatever is missing.
        jobs: networks to train at a time, each in a process of its own.

    Raises:
        ConfigError, TransferError: the configuration, or what earlier runs left, can't be used; the text says why.
        KeyboardInterrupt: the same command resumes from there.
    """
    from mtl_perception.studies import transfer_page  # says now, not after hours, if jinja2 is missing

    if seeds < 2:
        raise TransferError(f"{seeds} seed says nothing of how far networks scatter; give at least 2, and 5 for a claim")
    config = read_transfer_config(path)
    trials, runs = plan_trials(config), plan(config, seeds)
    absent = [test for test in config.test if not test.exists()]
    if training and absent:
        raise TransferError(f"test: {absent[0]} does not exist; give a data folder or a bag that networks are scored on")
    check_unseen(config, runs)
    require_writable(config.output)
    rates: dict[str, float] = {}
    if trials:
        rates = choose_rates(config, _tried(config, trials, training, console, jobs))
        runs = plan(config, seeds, rates)
        console.print("chosen on validation: " + ", ".join(f"{name} {rate:g}" for name, rate in rates.items()), highlight=False)
    done = finished(runs)
    missing = [run for run in runs if training and run.result not in done]
    console.print(f"{len(runs)} networks to train, {len(done)} of them done: {config.output}", highlight=False)
    known = remarks(runs)
    for remark in known:
        console.print(remark, highlight=False, markup=False)
    results = list(done.values())
    transfer = tabulate(config, results, known, rates)
    if transfer is not None and not missing:
        _write(transfer, config.output, transfer_page)
    with closing(in_processes(config, missing, console, jobs)) as coming:
        for result in coming:
            results.append(result)
            transfer = tabulate(config, results, known, rates)
            if transfer is not None:
                _write(transfer, config.output, transfer_page)
    if transfer is None:
        raise TransferError("there is no multi-task network yet, or not every single-task network; see the messages above")
    if docs is not None:
        write_document(docs, "transfer", transfer_page.markdown(transfer, "transfer"), transfer_page.charts(transfer))
    console.print(config.output / "index.html", highlight=False)
    return transfer


def _tried(config: TransferConfig, trials: Sequence[PlannedRun], training: bool, console: Console, jobs: int) -> list[RunResult]:
    """Results of all ``trials``; those that are missing are trained first.

    Raises:
        TransferError: some are missing, and nothing is to be trained.
    """
    done = finished(trials)
    missing = [run for run in trials if run.result not in done]
    if missing and not training:
        raise TransferError(
            f"{len(missing)} of {len(trials)} trials of learning rates are not done, so no rate is chosen yet; train them first"
        )
    console.print(f"{len(trials)} trials of learning rates, {len(done)} of them done", highlight=False)
    with closing(in_processes(config, missing, console, jobs)) as coming:
        return [*done.values(), *coming]


def _write(transfer: Transfer, folder: Path, page: Any) -> None:
    write_atomically(folder / "transfer.json", (json.dumps(transfer.plain(), indent=2) + "\n").encode())
    write_atomically(folder / "transfer.md", page.markdown(transfer).encode())
    write_atomically(folder / "index.html", page.html(transfer).encode())
