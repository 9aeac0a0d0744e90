# SPDX-License-Identifier: Apache-2.0
"""The network in training, the running average of its weights, and what moves them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from mtl_perception.model.checkpoint import ModelCard, TaskCard, build_network
from mtl_perception.model.encoders import Encoder
from mtl_perception.model.network import MultiTaskNetwork
from mtl_perception.model.sharing.grouped import CrossStitchNetwork
from mtl_perception.training.averaging import RunningAverage
from mtl_perception.training.balancing import Balancer, build_balancer
from mtl_perception.training.batch_norm import synchronize_batch_norms
from mtl_perception.training.channel_control import (
    ChannelReport,
    GradientGate,
    channel_gains,
    check_same_network,
    read_channel_report,
)
from mtl_perception.training.config import ConfigError, TrainingConfig
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.encoder_weights import load_encoder_weights
from mtl_perception.training.finetuning import grown_settings, hold, part_rates, start_card
from mtl_perception.training.low_bit.adapters import add_adapters, merged
from mtl_perception.training.precision import Precision
from mtl_perception.training.small_heads import SmallHeads
from mtl_perception.training.sources import Sources, balancing_settings
from mtl_perception.training.start import take_over


class Learner:
    """
    Attributes:
        card: what the network is.
        network: in training mode, on the device.
        gate: keeps tasks' gradients out of channels; None for none.
        average: of its weights.
        notes: what a user should know of how it begins.

    Args:
        card: of a run that goes on; its weights come by ``load_state_dict``.
    """

    def __init__(self, config: TrainingConfig, sources: Sources, device: torch.device, ranks: Ranks, card: ModelCard | None = None) -> None:
        self._device = device
        self.precision = Precision(config.precision, device)
        self.notes: list[str] = []
        torch.manual_seed(config.seed)
        if card is None:
            report = self._channel_report(config)
            self.card = _card(config, sources, report)
            network = build_network(self.card)
            self._begin_with(config, network)
            if report is not None:
                check_same_network(report, config.channel_control.report, network)
        else:
            self.card = card
            network = build_network(card)
            report = self._channel_report(config)
        self._adapters = config.quantized_finetuning
        if self._adapters is not None:
            add_adapters(network, self._adapters.rank, self._adapters.alpha, self._adapters.weights == "nf4")
        network = network.to(device, memory_format=torch.channels_last).train()
        _freeze(network, config.frozen_stages)
        if config.finetuning is not None:
            self.notes += hold(network, config.finetuning, sources.labelled_tasks)
        self.gate: GradientGate | None = None
        if report is not None and config.channel_control.mode == "freeze":
            self.gate = GradientGate(report).to(device)
        self.average = RunningAverage(network, config.ema_decay)
        self.network = synchronize_batch_norms(network, device) if ranks.size > 1 else network
        self.small_heads: SmallHeads | None = None
        if config.small_heads is not None:
            small = SmallHeads(network.tasks, self.card.architecture.neck_channels, config.small_heads.channels).to(device)
            self.small_heads = synchronize_batch_norms(small, device) if ranks.size > 1 else small
        self.optimizer = _optimizer(config, self.trained)
        self._trunk = _trainable(self.network.shared_parameters())
        self._own = {task: self._own_parameters(task) for task in config.tasks}
        self.balancer: Balancer = build_balancer(
            config.balancing,
            config.tasks,
            self._trunk,
            self._own,
            config.seed,
            ranks.sum_ if ranks.size > 1 else None,
        )

    def _channel_report(self, config: TrainingConfig) -> ChannelReport | None:
        if config.channel_control is None:
            return None
        return read_channel_report(config.channel_control.report, list(config.tasks), config.built_architecture.neck_channels)

    @property
    def learning_tasks(self) -> list[str]:
        """Those whose loss moves anything: frozen heads on a frozen trunk are not even run."""
        return [task for task, own in self._own.items() if own or self._trunk]

    @property
    def trained(self) -> nn.ModuleList:
        """All that the optimiser moves: the network, and the small heads if there are any."""
        return nn.ModuleList([self.network] if self.small_heads is None else [self.network, self.small_heads])

    def _own_parameters(self, task: str) -> list[nn.Parameter]:
        small = [] if self.small_heads is None else self.small_heads.heads[task].parameters()
        return _trainable([*self.network.task_parameters(task), *small])

    def averaged_network(self) -> MultiTaskNetwork:
        """The running average as the network that the card describes."""
        network = self.average.module
        return network if self._adapters is None else merged(network, self.card)  # pyright: ignore[reportReturnType]

    def _begin_with(self, config: TrainingConfig, network: MultiTaskNetwork) -> None:
        if config.start_from is not None:
            self.notes += take_over(config.start_from, network, self.card)
        if config.encoder_weights != "none":
            self.card.training["encoder_weights"] = load_encoder_weights(network, config.encoder_weights)
            self.notes.append(f"the encoder begins with {self.card.training['encoder_weights']}")

    def state_dict(self) -> dict[str, Any]:
        """All that training changes: tensors, numbers, strings and containers of them."""
        return {
            "network": self.network.state_dict(),
            "small_heads": None if self.small_heads is None else self.small_heads.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if self.precision.scaler is None else self.precision.scaler.state_dict(),
            "balancer": self.balancer.state_dict(),
            "random": torch.get_rng_state(),
            "random_of_device": torch.cuda.get_rng_state(self._device) if self._device.type == "cuda" else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        if self.small_heads is not None:
            self.small_heads.load_state_dict(state["small_heads"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        # A run may go on in another precision.
        if self.precision.scaler is not None and state["scaler"] is not None:
            self.precision.scaler.load_state_dict(state["scaler"])
        self.balancer.load_state_dict(state["balancer"])
        torch.set_rng_state(state["random"])
        if self._device.type == "cuda" and state.get("random_of_device") is not None:
            torch.cuda.set_rng_state(state["random_of_device"], self._device)


def _card(config: TrainingConfig, sources: Sources, report: ChannelReport | None) -> ModelCard:
    architecture = config.built_architecture
    if report is not None:
        architecture = architecture.model_copy(update={"channel_gains": channel_gains(config.channel_control, report)})
    settings: dict[str, dict[str, Any]] = {task: {"labels": labels} for task, labels in sources.labels.items()}
    if config.balance_classes:
        for task in config.tasks:
            settings.setdefault(task, {}).update(balancing_settings(sources, task))
    if config.finetuning is not None and config.start_from is not None:
        before = start_card(config.start_from).tasks
        settings |= {task: grown_settings(card, settings.get(task, {})) for task, card in before.items() if task in config.tasks}
    last = config.stages[-1]
    return ModelCard(
        name=config.name,
        architecture=architecture,
        input_width=last.width,
        input_height=last.height,
        tasks={task: TaskCard(kind=task, settings=settings.get(task, {})) for task in config.tasks},
        training={
            "data": ", ".join(path.name for path in config.data),
            "images": sources.images,
            "sources": sources.origins,
            "seed": config.seed,
            "balancing": config.balancing.method,
            "stages": [stage.model_dump() for stage in config.stages],
            **({} if config.quantized_finetuning is None else {"quantized_finetuning": config.quantized_finetuning.model_dump()}),
            **({} if config.channel_control is None else {"channel_control": config.channel_control.mode}),
            **({} if config.finetuning is None else {"finetuning": config.finetuning.model_dump(mode="json", exclude_defaults=True)}),
        },
    )


def _freeze(network: MultiTaskNetwork, stages: int) -> None:
    """Keep weights and statistics of the first ``stages`` of every encoder; nothing is propagated back through them.

    Raises:
        ConfigError: an encoder is not made of stages.
    """
    for encoder in network.modules():
        if stages and isinstance(encoder, Encoder):
            if not encoder.stages:
                raise ConfigError(f"frozen_stages is {stages}, and the encoder {network.architecture.encoder} has no stages of its own")
            for stage in encoder.stages[:stages]:
                stage.requires_grad_(False).eval()


def _trainable(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return [p for p in parameters if p.requires_grad]


def _optimizer(config: TrainingConfig, network: nn.Module) -> torch.optim.Optimizer:
    """AdamW; biases, the two parameters of batch norm and the weights of mixtures are not decayed: towards zero, a mixture has no
    features left. ``rate`` of a group is a factor of the learning rate."""
    rates: dict[nn.Parameter, float] = {}
    mixtures: set[nn.Parameter] = set()
    for module in network.modules():
        if isinstance(module, Encoder):
            rates |= dict.fromkeys(module.parameters(), config.encoder_rate)
        elif isinstance(module, CrossStitchNetwork):
            mixtures |= set(module.stitches)
    rates |= dict.fromkeys(mixtures, config.mixture_rate)
    if config.finetuning is not None:
        of_parts = part_rates(network, config.finetuning)
        rates = {parameter: rates.get(parameter, 1.0) * of_parts.get(parameter, 1.0) for parameter in network.parameters()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in _trainable(network.parameters()):
        decay = config.weight_decay if parameter.ndim > 1 and parameter not in mixtures else 0.0
        groups.setdefault((rates.get(parameter, 1.0), decay), []).append(parameter)
    settings = [{"params": parameters, "weight_decay": decay, "rate": rate} for (rate, decay), parameters in groups.items()]
    return torch.optim.AdamW(settings, lr=config.learning_rate, fused=True)
