# SPDX-License-Identifier: Apache-2.0
"""Images that cost more are drawn more often, all of them again and again, and the same ones by a run that goes on."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing
from difficult_ranks import BATCH, ROUND, Part, measured, rank_of_difficulty
from rich.console import Console
from runs import spoken, weights_of
from shapes import write_shapes
from tiny import TASKS, Tiny, batches_of, tiny_config, tiny_encoder

from mtl_perception.training import ConfigError, TrainingConfig, train
from mtl_perception.training.difficulty import PLAIN_ROUNDS, STEPS_AHEAD, Difficulty, _difficulty, _drawn, image_losses
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.losses import loss_terms
from mtl_perception.training.sampling import LossRank
from mtl_perception.training.sources import open_sources
from mtl_perception.training.state import load_state


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("hard") / "train", 12, width=64, height=64)


@pytest.fixture(autouse=True)
def _tiny() -> Iterator[None]:
    with tiny_encoder():
        yield


def ranked(root: Path, folder: Path, **changes: object) -> TrainingConfig:
    return tiny_config(root, folder, **{"sampling": {"method": "loss_rank", "pressure": 8.0}, **changes})


def opened(config: TrainingConfig) -> Difficulty:
    return Difficulty(config.sampling, open_sources(config).samples, config, Ranks())


def passed(difficulty: Difficulty, rounds: int, first: int = 0, hard: int = 3) -> Counter[int]:
    """So many rounds of steps, in which image ``hard`` costs ten times what the others do; how often each image was drawn."""
    drawn: Counter[int] = Counter()
    for at in range(first, first + rounds * ROUND, BATCH):
        rows = [row for _, row in difficulty.places(at, BATCH)]
        drawn.update(rows)
        losses = torch.tensor([[10.0 if row == hard else 1.0 + row / 100, 5.0, float("nan")] for row in rows])
        difficulty.note(at, [Part(at, BATCH, BATCH)], [losses])
    return drawn


def test_losses_of_single_images_make_that_of_the_batch(root: Path, tmp_path: Path) -> None:
    tiny = Tiny(ranked(root, tmp_path), batch_norms=False)
    network = tiny.learner.network
    (batch,) = batches_of(root, tiny.learner, 4, without={"depth": [1]})
    with torch.no_grad():
        raw = network(batch.images)
    found = image_losses(raw, batch, network.tasks, TASKS)
    assert found.shape == (4, 3) and found.isnan().nonzero().tolist() == [[1, 2]]
    for i in range(4):
        (alone,) = batches_of(root, tiny.learner, i + 1)
        one = type(batch)(
            alone.images[i:], alone.focal_px[i:], {task: {key: value[i:] for key, value in of.items()} for task, of in alone.targets.items()},
            {task: value[i:] for task, value in batch.labelled.items()} | {task: batch.labelled[task][i : i + 1] for task in TASKS}, alone.names[i:],
        )  # fmt: skip
        with torch.no_grad():
            terms = loss_terms(network(one.images), one, network.tasks, TASKS)
        for column, task in enumerate(TASKS):
            expected = sum(
                term.weight * term.total / max(float(term.count), term.least_count)
                for name, term in terms.items()
                if name.startswith(f"{task}/") and term.balanced
            )
            if not found[i, column].isnan():
                assert float(found[i, column]) == pytest.approx(float(expected), rel=1e-4)
    partly = image_losses(raw, batch, network.tasks, ["segmentation"])
    assert partly[:, [0, 2]].isnan().all() and torch.equal(partly[:, 1], found[:, 1])


def test_a_hard_image_is_drawn_more_often_and_none_is_forgotten(root: Path, tmp_path: Path) -> None:
    difficulty = opened(ranked(root, tmp_path))
    before = passed(difficulty, PLAIN_ROUNDS)
    assert max(before.values()) - min(before.values()) <= 1, "uniform while nothing is known"
    after = passed(difficulty, 4, PLAIN_ROUNDS * ROUND)
    assert after.most_common(1)[0][0] == 3 and len(after) == 12
    assert after[3] / min(after.values()) == pytest.approx(8.0, rel=0.15)


def test_tasks_count_alike_whatever_their_losses_are() -> None:
    nan = np.nan
    losses = np.array([[1.0, 300.0], [2.0, 200.0], [3.0, 100.0], [9.0, nan], [nan, nan]], np.float32)
    # ranks of the first task 0, 1/3, 2/3, 1; of the second 1, 1/2, 0
    assert _difficulty(losses).tolist() == pytest.approx([0.5, 5 / 12, 1 / 3, 1.0, 2.0])
    assert _difficulty(losses * [1.0, 1000.0]).tolist() == _difficulty(losses).tolist()
    assert _difficulty(np.array([[1.0], [7.0], [1.0]], np.float32)).tolist() == [0.25, 1.0, 0.25], "equal losses, equal ranks"


@pytest.mark.parametrize(("images", "draws"), [(1, 5), (2, 100), (50, 50), (50, 7), (30, 400)])
def test_so_many_are_drawn_as_are_wanted_each_as_often_as_it_should(images: int, draws: int) -> None:
    hardness = np.random.default_rng(1).random(images).astype(np.float32)
    found = _drawn(hardness.tobytes(), draws, 4.0, (1,))
    wanted = np.zeros(images)
    wanted[np.argsort(-hardness)] = 4.0 ** -(np.arange(images) / max(1, images - 1))
    counts = np.bincount(found, minlength=images)
    assert counts.sum() == draws and (np.abs(counts - wanted / wanted.sum() * draws) < 1 + 1e-6).all()


def test_folders_keep_their_shares(tmp_path: Path) -> None:
    roots = [write_shapes(tmp_path / name, count, width=64, height=64) for name, count in (("large", 9), ("small", 3))]
    config = ranked(roots[0], tmp_path, data=roots, data_weights=[1.0, 5.0])
    difficulty, plain = opened(config), open_sources(config).samples
    passed(difficulty, 3)
    first = PLAIN_ROUNDS * ROUND
    places = difficulty.places(first, ROUND)
    assert [folder for folder, _ in places] == [plain.locate(i)[0] for i in range(first, first + ROUND)]
    assert places != [plain.locate(i) for i in range(first, first + ROUND)]


def test_what_is_saved_draws_what_would_have_been_drawn(root: Path, tmp_path: Path) -> None:
    whole, cut = opened(ranked(root, tmp_path)), opened(ranked(root, tmp_path))
    passed(whole, 3)
    passed(cut, 2)
    half = ROUND // BATCH // 2 * BATCH
    for at in range(2 * ROUND, 2 * ROUND + half, BATCH):
        losses = torch.tensor([[10.0 if row == 3 else 1.0 + row / 100, 5.0, float("nan")] for _, row in cut.places(at, BATCH)])
        cut.note(at, [Part(at, BATCH, BATCH)], [losses])
    torch.save(cut.state_dict(), tmp_path / "state.pt")
    resumed = opened(ranked(root, tmp_path))
    assert resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True), 2 * ROUND + half)
    for at in range(2 * ROUND + half, 3 * ROUND, BATCH):
        losses = torch.tensor([[10.0 if row == 3 else 1.0 + row / 100, 5.0, float("nan")] for _, row in resumed.places(at, BATCH)])
        resumed.note(at, [Part(at, BATCH, BATCH)], [losses])
    assert resumed.places(3 * ROUND, 2 * ROUND) == whole.places(3 * ROUND, 2 * ROUND)
    fewer = write_shapes(tmp_path / "fewer", 5, width=64, height=64)
    other = opened(ranked(fewer, tmp_path))
    first = 5 * other.round + BATCH
    assert not other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True), first)
    # What is read ahead when the run goes on is what its losses are noted for; a full round later what is known decides.
    ahead = other.places(first, 8 * BATCH)
    for at in range(first, 7 * other.round, BATCH):
        losses = torch.tensor([[10.0 if row == 3 else 1.0 + row / 100, 5.0, float("nan")] for _, row in other.places(at, BATCH)])
        other.note(at, [Part(at, BATCH, BATCH)], [losses])
        assert at > first or other.places(first, 8 * BATCH) == ahead
    rows = Counter(row for _, row in other.places(7 * other.round, other.round))
    assert rows.most_common(1)[0][0] == 3 and max(rows.values()) > 2 * min(rows.values())


@pytest.mark.slow
def test_two_processes_know_and_draw_what_one_would(root: Path, tmp_path: Path) -> None:
    torch.multiprocessing.spawn(rank_of_difficulty, (str(root), str(tmp_path)), nprocs=2)
    alone = measured(str(root), str(tmp_path), Ranks())
    expected, places = alone.state_dict()["losses"], alone.places(2 * ROUND, ROUND)
    assert expected[:, 0].isfinite().all() and 0 < int(expected[:, 1].isnan().sum()) < len(expected)
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(found["state"]["losses"], expected, equal_nan=True)
        assert found["places"] == places


@pytest.mark.slow
def test_a_run_that_goes_on_ends_as_an_uninterrupted_one(root: Path, tmp_path: Path) -> None:
    steps = 2 * STEPS_AHEAD + 12
    # Each image is read a hundred times.
    changes = {"tasks": ["segmentation", "depth"], "steps": steps, "warmup_steps": 2, "cache": True}
    whole = ranked(root, tmp_path / "whole", **changes)
    said = spoken(whole)
    assert f"it begins after {2 * STEPS_AHEAD} steps, the run has {steps}" in said
    state = load_state(whole.folder / "state.pt", whole)["difficulty"]
    assert not state["losses"].isnan().any() and set(state["tables"]) == {PLAIN_ROUNDS, PLAIN_ROUNDS + 1}

    cut = ranked(root, tmp_path / "cut", **changes)
    stopped = interrupted_after(cut, 2 * STEPS_AHEAD + 5)
    assert 2 * STEPS_AHEAD + 5 <= stopped < steps
    assert f"resuming after step {stopped}" in spoken(cut)
    for name, value in weights_of(cut).items():
        torch.testing.assert_close(value, weights_of(whole)[name], rtol=1e-5, atol=1e-6)
    uniform = tiny_config(root, tmp_path / "uniform", **changes)
    spoken(uniform)
    assert any(not torch.allclose(value, weights_of(whole)[name]) for name, value in weights_of(uniform).items()), (
        "it trains on other images"
    )


def interrupted_after(config: TrainingConfig, step: int) -> int:
    """Ctrl-C as soon as so many steps are logged; the step that the run stopped after."""

    class Impatient:
        def write(self, text: str) -> None:
            if f"step {step} " in text:
                os.kill(os.getpid(), signal.SIGINT)

        def flush(self) -> None:
            pass

    with pytest.raises(KeyboardInterrupt):
        train(config.model_copy(update={"log_every_steps": 1}), Console(file=Impatient(), width=300))
    return load_state(config.folder / "state.pt", config)["schedule"]["step"]


def test_what_can_not_be_is_told(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="64 steps ahead of what is known, expected fewer than 64; lower 'prefetch'"):
        opened(ranked(root, tmp_path, workers=16, prefetch=4))
    with pytest.raises(ValueError, match="sampling 'hardest' is not known; expected one of: uniform, loss_rank"):
        ranked(root, tmp_path, sampling="hardest")
    with pytest.raises(ValueError, match="greater than 1"):
        LossRank(method="loss_rank", pressure=1.0)
    assert opened(ranked(root, tmp_path)).remarks(100, BATCH) == [
        "sampling: 'loss_rank' never acts in this run: it begins after 128 steps, the run has 100"
    ]
    assert opened(ranked(root, tmp_path)).remarks(1000, BATCH) == []
