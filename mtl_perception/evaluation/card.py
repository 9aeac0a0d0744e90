# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception card``: scores into a checkpoint's card, and the card as a page beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from mtl_perception.core.files import write_atomically
from mtl_perception.evaluation.cost import parameter_count
from mtl_perception.evaluation.markdown import class_rows, distance_rows
from mtl_perception.evaluation.registry import METRICS
from mtl_perception.evaluation.results import EvaluationResult, ResultError, read_result
from mtl_perception.evaluation.training_history import CAPTION, ancestry, history_rows
from mtl_perception.model.checkpoint import ModelCard, read_card, replace_card
from mtl_perception.reporting.numbers import figure, known
from mtl_perception.reporting.tables import ARROWS, escaped
from mtl_perception.reporting.tables import markdown as table

CARD_MEASURES = ("mAP", "AP50", "AP50_small_things", "mIoU", "AbsRel", "RMSE", "delta1")
"""Measures that a card tells of detection, segmentation and depth; of another task it tells the main measure."""


def write_card(checkpoint: Path, scores: Path, page: Path | None, limits: str | None, console: Console) -> None:
    """Put the scores into the checkpoint's card and write the card as Markdown.

    Args:
        scores: a file that ``mtl-perception evaluate`` wrote of this model.
        page: of Markdown; beside the checkpoint if None.
        limits: what the model can't do; what the card says already if None.

    Raises:
        CheckpointError: the checkpoint can't be used.
        ResultError: the scores can't be used or are another model's.
        OSError: card or page can't be written.
    """
    card, result = read_card(checkpoint), read_result(scores)
    own = (card.name, card.version, parameter_count(card))
    scored = (result.model.name, result.model.version, result.model.parameters)
    if own != scored or card.training != result.model.training:
        raise ResultError(
            f"{scores} holds scores of {scored[0]} {scored[1]} with {scored[2]} parameters, {checkpoint} is {own[0]} {own[1]} "
            f"with {own[2]}{', trained otherwise' if own == scored else ''}; evaluate this checkpoint first"
        )
    card = card.model_copy(update={"scores": card_scores(result), "limits": card.limits if limits is None else limits})
    page = page or checkpoint.with_suffix(".md")
    replace_card(checkpoint, card)
    write_atomically(page, card_page(card, result).encode())
    console.print(f"{checkpoint}: scores of {', '.join(result.sets)} are in its card\n{page}", highlight=False)


def card_scores(result: EvaluationResult) -> dict[str, dict[str, float]]:
    """Set → measure → value: the few that a card holds."""
    return {
        name: {
            measure: float(values[measure])
            for task, values in one.scores.items()
            for measure in METRICS[task].directions
            if measure in _measures(task) and known(values.get(measure))
        }
        for name, one in result.sets.items()
    }


def card_page(card: ModelCard, result: EvaluationResult) -> str:
    """The card for people, as Markdown."""
    first_name, first = next(iter(result.sets.items()))
    network = f"{card.name} {card.version}"
    stages = history_rows(card.training, network)
    parts = [
        f"# {escaped(card.name)}, {escaped(card.version)}",
        f"{card.architecture.encoder} encoder, {card.architecture.neck} neck with {card.architecture.neck_channels} channels; "
        f"heads: {', '.join(_head(name, task) for name, task in card.tasks.items())}.{_branch(card)}\n"
        f"{result.model.parameters / 1e6:.2f} M parameters, {result.model.gmac:.2f} G multiply-adds at its own input of "
        f"{card.input_width}×{card.input_height}, {result.model.gmac_640x480:.2f} G at 640×480; "
        f"{result.model.size_bytes / 1e6:.1f} MB.",
        f"**Training.** {CAPTION}" if len(stages) > 2 else "**Training**" if len(stages) > 1 else "",
        table(stages, figures=False) if len(stages) > 1 else "",
        origins_text(card.training),
        f"**Scores**, on {result.device} in {result.precision}.",
        table(_score_rows(result)),
        f"```bash\n{result.command}\n```",
        f"By class, on {first_name}:",
        table(class_rows(first)),
    ]
    distances = distance_rows(first)
    if len(distances) > 1:
        parts += [f"Depth by distance, on {first_name}:", table(distances)]
    parts.append(f"**Limits.** {escaped(card.limits) or 'None are told.'}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _branch(card: ModelCard) -> str:
    branch = card.architecture.branch
    if branch is None:
        return ""
    return f" {escaped(', '.join(branch.labels))}: from a branch of their own, behind stage {branch.stages} of the encoder."


def origins_text(training: Mapping[str, Any]) -> str:
    """The data sets and pretrained weights that a network is made from, back to its first ancestor, with what is known of their
    licences; empty where the card says nothing."""
    stages = ancestry(training)[::-1]
    sources: dict[str, Mapping[str, str]] = {}
    for stage in stages:
        for source in stage.get("sources", []):
            sources.setdefault(source["name"], source)
    encoders = [["encoder's first weights", stage["encoder_weights"]] for stage in stages if "encoder_weights" in stage]
    encoders += [["second encoder's first weights", stage["composed"]["encoder_weights"]] for stage in stages if "composed" in stage]
    if not sources and not encoders:
        return ""
    rows = [["made from", "source", "licence"]]
    rows += [[one["name"], one.get("source", "not told"), one.get("license", "not told")] for one in sources.values()]
    rows += [[*encoder, "as named"] for encoder in encoders]
    return table([[escaped(cell) for cell in row] for row in rows], figures=False)


def _score_rows(result: EvaluationResult) -> list[list[str]]:
    shown = [
        (task, measure)
        for task, metric in METRICS.items()
        for measure in metric.directions
        if measure in _measures(task) and any(known(one.scores.get(task, {}).get(measure)) for one in result.sets.values())
    ]
    heads = [f"{measure} {ARROWS[METRICS[task].directions[measure]]}" for task, measure in shown]
    rows = [["set", "frames", *heads]]
    for name, one in result.sets.items():
        rows.append([name, str(one.frames), *(figure(one.scores.get(task, {}).get(measure)) for task, measure in shown)])
    return rows


def _measures(task: str) -> tuple[str, ...]:
    own = tuple(measure for measure in CARD_MEASURES if measure in METRICS[task].directions)
    return own or (METRICS[task].main,)


def _head(name: str, task: Any) -> str:
    labels = task.settings.get("labels")
    return f"{name} ({len(labels)} classes)" if labels else name
