# SPDX-License-Identifier: Apache-2.0
"""The configuration of a training run, typed and checked before anything heavy starts."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mtl_perception.core.validation_text import did_you_mean, problems, shown
from mtl_perception.core.yaml_file import ConfigError, read_yaml
from mtl_perception.model.encoders import TRANSFORMERS
from mtl_perception.model.network import MAX_STRIDE, VARIANTS, Architecture
from mtl_perception.tasks import LABELS, TASKS, build_task
from mtl_perception.training.balancing import Balancing, Fixed
from mtl_perception.training.cam_targets import CamTargets
from mtl_perception.training.channel_control import ChannelControl
from mtl_perception.training.finetuning import Finetuning
from mtl_perception.training.sampling import Sampling, Uniform
from mtl_perception.training.task_schedule import AllTasks, TaskSchedule

__all__ = ["ConfigError", "Stage", "TrainingConfig", "ValidationSettings", "read_config"]


DEFAULT_TASKS = ("detection", "segmentation", "depth")
"""Those that are trained where a configuration does not say."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(_Strict):
    """One part of the schedule, at one resolution.

    Attributes:
        until: share of the whole schedule at which this stage ends.
        batch_size: images of one optimiser step, over all processes and accumulated parts together.
        max_zoom: how much narrower than the whole image a training window may be.
        whole: share of the images that are shown whole, with grey right and below, as the running network sees images of another
            shape, and up to 0.7 times smaller than fits. For data of many shapes.
        mosaic: share of the images that are put together from four of one data folder, where their labels allow it: boxes and
            segmentation masks do, others do not. For few labelled images.
        recolored: share of the images in which some classes get other colours; needs masks. Meant for data whose images
            share few materials.
        appearance: how strongly exposure, white balance, blur, noise and JPEG artefacts vary; 1 is right for one kind of camera,
            2 for photographs of many.
    """

    until: float = Field(gt=0, le=1)
    width: int = Field(gt=0, multiple_of=MAX_STRIDE)
    height: int = Field(gt=0, multiple_of=MAX_STRIDE)
    batch_size: int = Field(gt=1)
    max_zoom: float = Field(2.0, ge=1)
    whole: float = Field(0.0, ge=0, le=1)
    mosaic: float = Field(0.0, ge=0, le=1)
    recolored: float = Field(0.0, ge=0, le=1)
    appearance: float = Field(1.0, ge=0, le=3)


class SmallHeadSettings(_Strict):
    """Train-only heads that see the pyramid through a few channels, so that the shared part has to do the work.

    Attributes:
        channels: of the pyramid that a small head sees.
        weight: of their loss beside that of the real heads.
    """

    channels: int = Field(8, gt=1)
    weight: float = Field(0.3, gt=0)


class QuantizedFinetuning(_Strict):
    """Fine-tuning of a transformer encoder whose weights stand still in few bits, through adapters of low rank; neck and
    heads are trained whole (QLoRA, Dettmers et al., NeurIPS 2023). The checkpoint holds an ordinary network.

    Attributes:
        rank: of the adapters.
        alpha: an adapter's answer is multiplied by alpha / rank.
        weights: ``nf4`` holds those that stand still in four bits, ``float32`` as they are (LoRA).
    """

    rank: int = Field(8, gt=0)
    alpha: float = Field(16.0, gt=0)
    weights: Literal["nf4", "float32"] = "nf4"

    def check(self, architecture: Architecture) -> None:
        """Raises:
        ValueError: the encoder has no linear layers to speak of, or torchao is not installed.
        """
        encoders = getattr(architecture.sharing, "encoders", None) or [architecture.encoder]
        other = sorted(set(encoders) - set(TRANSFORMERS))
        if other:
            raise ValueError(
                f"quantized_finetuning is for transformer encoders ({', '.join(TRANSFORMERS)}), got '{other[0]}'; "
                "set architecture: {encoder: swin_t}, or leave the section out"
            )
        if self.weights == "nf4" and find_spec("torchao") is None:
            raise ValueError("quantized_finetuning needs torchao for weights 'nf4': pip install 'mtl-perception[quantized]'")


class ValidationSettings(_Strict):
    """Scores on images that are not trained on; the best-scored weights become the checkpoint.

    Attributes:
        share: of the groups (rooms, drives) of ``data`` that are held out. Exactly one of ``share`` and ``data`` is given.
        data: folders of their own, one or a list.
        every_minutes: of training time. Exactly one of this and ``every_steps`` is given. The end is always scored.
        images: at most so many, spread over all.
        pictures: of them so many are drawn for TensorBoard.
    """

    share: float | None = Field(None, gt=0, lt=1)
    data: list[Path] | None = Field(None, min_length=1)
    every_minutes: float | None = Field(None, gt=0)
    every_steps: int | None = Field(None, gt=0)
    images: int = Field(200, gt=0)
    pictures: int = Field(4, ge=0)

    @field_validator("data", mode="before")
    @classmethod
    def _several(cls, data: Any) -> Any:
        return data if isinstance(data, list) or data is None else [data]

    @model_validator(mode="after")
    def _consistent(self) -> ValidationSettings:
        _exactly_one(self, "share", "data")
        _exactly_one(self, "every_minutes", "every_steps")
        return self


class TrainingConfig(_Strict):
    """A training run.

    Attributes:
        architecture: parts of the variant that are replaced, such as ``neck``.
        data: a folder, or a list of folders that are mixed; each may be labelled for other tasks.
        data_alpha: a folder with n images gives a share ∝ n^alpha of the samples.
        data_weights: factors of these shares, one for each folder of ``data``.
        label_share: of one task, the share of the samples that are labelled for it, however few images are: ``{segmentation: 0.5}``.
        sampling: which images of a folder are drawn how often.
        labels: by task, the class names to train, in this order; a task that is not named trains all that the data have. With
            ``finetuning``, the classes of ``start_from`` come first whether they are listed or not.
        data_share: train on this share of the groups only, to see what less data would do.
        output: the checkpoint. Beside it, in a folder of its name without the suffix, lies what a run needs to go on.
        minutes: length of the schedule in time spent training; on a machine that others use too, the learning rate
            then still reaches its end. Exactly one of ``minutes`` and ``steps`` is given.
        tasks: the tasks to train, with their weight in the sum of losses; a list gives each the weight 1.
        start_from: a checkpoint, or a shipped model's name, whose weights the run begins with. Classes go by their names;
            what it does not have begins anew, and the log names it.
        encoder_weights: what the encoder begins with: ``imagenet`` takes the weights from an installed package, timm or torchvision,
            whichever has them, and says which; else the path of a file. ``none`` begins with random ones.
        encoder_rate: factor of the learning rate for the encoder; below 1 keeps what a pretrained one knows.
        mixture_rate: factor of the learning rate for the mixtures of cross-stitch units, which are few and begin far from where they
            belong. Their paper takes 100 to 1000 with plain gradient descent; Adam's steps do not shrink with the gradient.
        frozen_stages: so many of the encoder's four stages, counted from the image, stay as they begin, batch norms included. With
            pretrained weights 1 makes a step about a quarter cheaper: the first stage has the most pixels and knows the least of the task.
        precision: of the forward pass. ``auto`` takes bfloat16 where the device is fast at it, float16 on older GPUs.
        balancing: how the tasks' losses become one gradient.
        task_schedule: which tasks are trained when.
        small_heads: train a second, small head for each task beside the real one; no checkpoint holds them.
        quantized_finetuning: train the encoder through adapters beside frozen weights of four bits.
        finetuning: keep every task and class of ``start_from`` while new ones are learned; what 'mtl-perception finetune' does.
        channel_control: hold each task to the channels that a channel report of ``start_from`` gives it.
        cam_targets: class activation maps of classification teach segmentation where an image has no mask.
        balance_classes: weigh segmentation classes by the inverse root of their share of pixels.
        gradient_accumulation: parts in which a batch goes through the network, to need that much less memory. Batch
            norm sees one part at a time.
        ema_decay: of the running average of the weights, which is what validation scores and the checkpoint holds.
        workers: processes of each training process that read and augment images.
        prefetch: batches that each worker prepares ahead.
        cache: keep decoded images in a temporary file, 6 bytes a pixel: reading is then more than twice as fast.
        save_every_minutes: how often all that is needed to go on after a kill is written.
        log_every_steps: how often losses go to the log.
        tensorboard: write event files; None does where tensorboard is installed.
    """

    name: str
    variant: Literal["lite", "base", "large"]
    architecture: dict[str, Any] = Field(default_factory=dict)
    data: list[Path] = Field(min_length=1)
    data_alpha: float = Field(1.0, ge=0, le=1)
    data_weights: list[Annotated[float, Field(gt=0)]] | None = None
    label_share: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(default_factory=dict, max_length=1)
    sampling: Sampling = Uniform()
    labels: dict[str, list[str]] = Field(default_factory=dict)
    data_share: float = Field(1.0, gt=0, le=1)
    output: Path
    start_from: Path | None = None
    encoder_weights: str = "none"
    encoder_rate: float = Field(1.0, gt=0, le=10)
    mixture_rate: float = Field(10.0, gt=0)
    frozen_stages: int = Field(0, ge=0, le=4)
    minutes: float | None = Field(None, gt=0)
    steps: int | None = Field(None, gt=0)
    stages: list[Stage] = Field(min_length=1)
    tasks: dict[str, float] = Field(default_factory=lambda: dict.fromkeys(DEFAULT_TASKS, 1.0), min_length=1)
    balancing: Balancing = Fixed()  # pyright: ignore[reportInvalidTypeForm]
    task_schedule: TaskSchedule = AllTasks()
    small_heads: SmallHeadSettings | None = None
    quantized_finetuning: QuantizedFinetuning | None = None
    finetuning: Finetuning | None = None
    channel_control: ChannelControl | None = None
    cam_targets: CamTargets | None = None
    balance_classes: bool = True
    learning_rate: float = Field(1.5e-3, gt=0)
    weight_decay: float = Field(0.03, ge=0)
    warmup_steps: int = Field(300, ge=0)
    gradient_norm: float = Field(5.0, gt=0)
    gradient_accumulation: int = Field(1, gt=0)
    ema_decay: float = Field(0.998, ge=0, lt=1)
    validation: ValidationSettings | None = None
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    workers: int = Field(1, ge=0)
    prefetch: int = Field(2, gt=0)
    cache: bool = False
    threads: int | None = Field(None, gt=0)
    seed: int = Field(0, ge=0, lt=2**64)
    save_every_minutes: float = Field(5.0, gt=0)
    log_every_steps: int = Field(50, gt=0)
    tensorboard: bool | None = None

    @field_validator("data", mode="before")
    @classmethod
    def _several(cls, data: Any) -> Any:
        return data if isinstance(data, list) else [data]

    @field_validator("tasks", mode="before")
    @classmethod
    def _named(cls, tasks: Any) -> Any:
        if not isinstance(tasks, list):
            return tasks
        twice = sorted({str(task) for task in tasks if tasks.count(task) > 1})
        if twice:
            raise ValueError(f"task '{twice[0]}' is listed twice")
        return {str(task): 1.0 for task in tasks}

    @field_validator("labels", mode="before")
    @classmethod
    def _lists_that_are_given(cls, labels: Any) -> Any:
        return {task: names for task, names in labels.items() if names is not None} if isinstance(labels, dict) else labels

    @field_validator("labels")
    @classmethod
    def _of_tasks_with_classes(cls, labels: dict[str, list[str]]) -> dict[str, list[str]]:
        kinds = [task for task, codec in LABELS.items() if codec.has_classes]
        for task, names in labels.items():
            if task not in kinds:
                raise ValueError(f"{shown(task)} has no classes, expected some of: {', '.join(kinds)}{did_you_mean(task, kinds)}")
            build_task(task, {"labels": names})
        return labels

    @model_validator(mode="after")
    def _consistent(self) -> TrainingConfig:
        _exactly_one(self, "minutes", "steps")
        if self.data_weights is not None and len(self.data_weights) != len(self.data):
            raise ValueError(f"data_weights has {len(self.data_weights)} values for {len(self.data)} folders of 'data'")
        ends = [stage.until for stage in self.stages]
        if ends != sorted(set(ends)) or ends[-1] != 1.0:
            raise ValueError(f"stages end at {ends}; expected rising values of 'until', the last one 1.0")
        for task, weight in self.tasks.items():
            if task not in TASKS:
                raise ValueError(f"task {shown(task)} is not known; expected some of: {', '.join(TASKS)}{did_you_mean(task, TASKS)}")
            if weight <= 0:
                raise ValueError(f"task '{task}' has weight {weight}, expected more than 0; leave the task out instead")
        self.balancing.check(self.tasks)
        if self.balancing.needs_validation and self.validation is None:
            raise ValueError(f"balancing method '{self.balancing.method}' needs held-out images; give a section 'validation'")
        self.task_schedule.check(self.tasks, self.validation is not None)
        try:
            sharing = self.built_architecture.sharing
            sharing.check(list(self.tasks))
            if self.built_architecture.branch is not None:
                raise ValueError(
                    "architecture: a branch is not trained as a part of its network; 'mtl-perception finetune --branch' makes one"
                )
        except ValidationError as error:
            raise ValueError(f"architecture: {problems(error, Architecture)}") from None
        self.balancing.check_network(sharing.shared_by(list(self.tasks)))
        if self.output.suffix != ".safetensors":
            raise ValueError(f"output is {self.output}, expected a name that ends with .safetensors")
        if self.start_from is not None and self.encoder_weights != "none":
            raise ValueError("give one of 'start_from' and 'encoder_weights': both say what the encoder begins with")
        if self.frozen_stages and self.start_from is None and self.encoder_weights == "none":
            raise ValueError("frozen_stages keeps stages as they begin; give trained ones with 'start_from' or 'encoder_weights'")
        if self.quantized_finetuning is not None:
            self.quantized_finetuning.check(self.built_architecture)
            if self.start_from is None and self.encoder_weights == "none":
                raise ValueError(
                    "quantized_finetuning keeps the encoder's weights as they begin; give trained ones with 'start_from' or "
                    "'encoder_weights: imagenet'"
                )
        if self.finetuning is not None:
            if self.start_from is None:
                raise ValueError("finetuning keeps what a network knows; say which with 'start_from'")
            self.finetuning.check(self.tasks)
            for path in self.finetuning.replay:
                if path not in self.data:
                    raise ValueError(f"finetuning: replay names {path}, which is not among 'data': {', '.join(map(str, self.data))}")
        for task in self.label_share:
            if task not in self.tasks:
                raise ValueError(f"label_share names task {shown(task)}, which is not trained; expected one of: {', '.join(self.tasks)}")
        self._check_channel_control()
        if self.cam_targets is not None:
            self.cam_targets.check(self.tasks)
        for stage in self.stages:
            if stage.batch_size % self.gradient_accumulation or stage.batch_size < 2 * self.gradient_accumulation:
                raise ValueError(
                    f"batch_size {stage.batch_size} can't be cut into {self.gradient_accumulation} equal parts of at least two images "
                    "(gradient_accumulation)"
                )
        return self

    def _check_channel_control(self) -> None:
        if self.channel_control is None:
            return
        if self.start_from is None:
            raise ValueError("channel_control is of the channels of a trained network; say which with 'start_from'")
        if self.built_architecture.sharing.method != "hard" or len(self.tasks) < 2:
            raise ValueError("channel_control is for two tasks or more that read the same channels: sharing 'hard'")
        if self.built_architecture.channel_gains:
            raise ValueError("channel_control makes the architecture's channel_gains; give one of them")

    @property
    def built_architecture(self) -> Architecture:
        """The variant with the parts that ``architecture`` replaces."""
        return Architecture.model_validate(VARIANTS[self.variant].model_dump() | self.architecture)

    @property
    def remarks(self) -> list[str]:
        """Returns what a user should know before the run: which of its parts can't act in it, or hardly."""
        found = self.balancing.remarks(self.built_architecture.sharing.shared_by(list(self.tasks)), self.steps)
        if self.steps is not None:
            found += self.task_schedule.remarks(self.tasks, self.steps, None if self.validation is None else self.validation.every_steps)
        if self.task_schedule.one_at_a_time and self.balancing.needs_company:
            found.append(
                f"balancing: '{self.balancing.method}' has nothing to weigh: '{self.task_schedule.method}' trains one task in each step"
            )
        return found

    @property
    def folder(self) -> Path:
        """Where the run keeps its state and its logs."""
        return self.output.with_suffix("")


def _exactly_one(settings: BaseModel, first: str, second: str) -> None:
    if (getattr(settings, first) is None) == (getattr(settings, second) is None):
        raise ValueError(f"give exactly one of '{first}' and '{second}'")


def read_config(path: Path | str) -> TrainingConfig:
    """A configuration from a YAML file.

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or holds a wrong key or value.
    """
    return read_yaml(path, TrainingConfig)
