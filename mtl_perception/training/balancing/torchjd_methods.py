# SPDX-License-Identifier: Apache-2.0
"""Gradient methods of torchjd, by name. Each class is one method: its settings and the aggregator of torchjd.

Those of torchjd that need two independent batches a step (MoDo, SDMGrad) are left out.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mtl_perception.training.balancing._base import Problem
from mtl_perception.training.balancing._gradients import GradientSettings

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator

    from mtl_perception.training.balancing._torchjd import TorchjdBalancer


class TorchjdSettings(GradientSettings):
    """Settings of a method that torchjd combines the gradients with."""

    torchjd_name: ClassVar[str]
    """Its class in ``torchjd.aggregation``."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Needed beside torchjd."""
    is_projected: ClassVar[bool] = False
    """Whether it projects onto the dual cone, which we do by least squares."""
    elementwise: ClassVar[bool] = False
    """Whether it chooses number by number, so that no weights say what it does."""

    def check(self, tasks: Collection[str]) -> None:
        super().check(tasks)
        missing = [package for package in ("torchjd", *self.packages) if find_spec(package) is None]
        if missing:
            raise ValueError(
                f"balancing method '{self.method}' needs {' and '.join(missing)}, which can't be imported; "
                "pip install 'mtl-perception[mtl]'"
            )

    def build(self, problem: Problem) -> TorchjdBalancer:
        from mtl_perception.training.balancing._torchjd import TorchjdBalancer

        return TorchjdBalancer(problem, self)

    def rows(self, tasks: Collection[str]) -> list[str]:
        """``tasks`` in the order in which the method wants their gradients; empty if it can't do with these."""
        return list(tasks)

    def acts_on(self, tasks: Collection[str]) -> bool:
        return len(tasks) > 1 and bool(self.rows(tasks))

    def aggregator(self) -> Aggregator:
        """A new aggregator of torchjd, with this method's settings."""
        from torchjd import aggregation

        arguments: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields if name not in _OURS}
        if self.is_projected:
            from mtl_perception.training.balancing._dual_cone import LeastSquaresProjector

            arguments["projector"] = LeastSquaresProjector()
        return getattr(aggregation, self.torchjd_name)(**arguments)


_OURS = {*TorchjdSettings.model_fields, "primary"}
"""Settings that are not arguments of torchjd's aggregator; all others go by its names for them."""


class PcGrad(TorchjdSettings):
    """Each gradient loses what points against another one; their sum (Yu et al., Gradient Surgery, NeurIPS 2020)."""

    torchjd_name: ClassVar[str] = "PCGrad"
    method: Literal["pcgrad"] = "pcgrad"


class CaGrad(TorchjdSettings):
    """Near the mean gradient, within ``c`` of its length, what helps the worst-off task most (Liu et al., NeurIPS 2021)."""

    torchjd_name: ClassVar[str] = "CAGrad"
    packages: ClassVar[tuple[str, ...]] = ("cvxpy",)
    method: Literal["cagrad"] = "cagrad"
    c: float = Field(0.4, ge=0)


class ImtlG(TorchjdSettings):
    """The combination with equal projections on every gradient's direction (Liu et al., ICLR 2021)."""

    torchjd_name: ClassVar[str] = "IMTLG"
    method: Literal["imtl_g"] = "imtl_g"


class AlignedMtl(TorchjdSettings):
    """Principal components of the gradients, all brought to one length (Senushkin et al., CVPR 2023)."""

    torchjd_name: ClassVar[str] = "AlignedMTL"
    method: Literal["aligned_mtl"] = "aligned_mtl"
    scale_mode: Literal["min", "median", "rmse"] = "min"


class UpGrad(TorchjdSettings):
    """The mean of the gradients, each projected so that it harms no task (Quinton and Rey, Jacobian Descent, 2024)."""

    torchjd_name: ClassVar[str] = "UPGrad"
    is_projected: ClassVar[bool] = True
    method: Literal["upgrad"] = "upgrad"


class DualProj(TorchjdSettings):
    """The mean gradient, projected so that it harms no task (Lopez-Paz and Ranzato, GEM, NeurIPS 2017)."""

    torchjd_name: ClassVar[str] = "DualProj"
    is_projected: ClassVar[bool] = True
    method: Literal["dualproj"] = "dualproj"


class GradDrop(TorchjdSettings):
    """Each number of the gradient keeps one sign, drawn in proportion to what the tasks say (Chen et al., NeurIPS 2020)."""

    torchjd_name: ClassVar[str] = "GradDrop"
    elementwise: ClassVar[bool] = True
    method: Literal["graddrop"] = "graddrop"


class GradVac(TorchjdSettings):
    """Gradients are turned towards each other as far as they usually agree (Wang et al., Gradient Vaccine, ICLR 2021)."""

    torchjd_name: ClassVar[str] = "GradVac"
    method: Literal["gradvac"] = "gradvac"
    beta: float = Field(0.5, ge=0, le=1)


class ConFig(TorchjdSettings):
    """The direction with the same cosine to every gradient, as long as their projections together (Liu et al., ICLR 2025)."""

    torchjd_name: ClassVar[str] = "ConFIG"
    method: Literal["config"] = "config"


class FairGrad(TorchjdSettings):
    """Progress is shared out by alpha-fairness: 1 is proportional, more is more equal (Ban and Ji, ICML 2024)."""

    torchjd_name: ClassVar[str] = "FairGrad"
    method: Literal["fairgrad"] = "fairgrad"
    alpha: float = Field(2.0, gt=0)


class ExcessMtl(TorchjdSettings):
    """Weight goes to tasks that are far from where they could be (He et al., ICML 2024). Remembers a gradient a task."""

    torchjd_name: ClassVar[str] = "ExcessMTL"
    method: Literal["excess_mtl"] = "excess_mtl"
    robust_step_size: float = Field(0.01, gt=0)
    n_warmup_steps: int = Field(100, ge=0)

    @property
    def idle(self) -> tuple[int, str]:
        return self.n_warmup_steps, "n_warmup_steps"


class Pcd(TorchjdSettings):
    """One task leads; every other gets at least the share ``tau`` of the progress it would make alone
    (Priority-Constrained Descent, TMLR 2026).

    Attributes:
        primary: the task that leads; the first one if None. Steps without its labels take the mean gradient.
    """

    torchjd_name: ClassVar[str] = "PCD"
    method: Literal["pcd"] = "pcd"
    primary: str | None = None
    tau: float = Field(0.02, ge=0, le=1)

    def check(self, tasks: Collection[str]) -> None:
        super().check(tasks)
        if self.primary is not None and self.primary not in tasks:
            raise ValueError(f"pcd: primary is '{self.primary}', expected one of: {', '.join(tasks)}")

    def rows(self, tasks: Collection[str]) -> list[str]:
        if self.primary is None:
            return list(tasks)
        return [self.primary, *(t for t in tasks if t != self.primary)] if self.primary in tasks else []


class Krum(TorchjdSettings):
    """The one gradient that is nearest to the others (Blanchard et al., NeurIPS 2017); the mean where too few are there."""

    torchjd_name: ClassVar[str] = "Krum"
    method: Literal["krum"] = "krum"
    n_byzantine: int = Field(0, ge=0)
    n_selected: int = Field(1, gt=0)

    def check(self, tasks: Collection[str]) -> None:
        super().check(tasks)
        if not self.rows(tasks):
            needed = max(self.n_byzantine + 3, self.n_selected)
            raise ValueError(f"krum with n_byzantine {self.n_byzantine} needs at least {needed} tasks, got {len(tasks)}")

    def rows(self, tasks: Collection[str]) -> list[str]:
        return list(tasks) if len(tasks) >= max(self.n_byzantine + 3, self.n_selected) else []


class Mean(TorchjdSettings):
    """The mean of the gradients; unlike ``fixed`` it divides by the number of tasks that a batch has."""

    torchjd_name: ClassVar[str] = "Mean"
    method: Literal["mean"] = "mean"


class Sum(TorchjdSettings):
    """The sum of the gradients: ``fixed`` at the price of a gradient method."""

    torchjd_name: ClassVar[str] = "Sum"
    method: Literal["sum"] = "sum"


class Random(TorchjdSettings):
    """Random convex combinations of the gradients (Lin et al., TMLR 2022); heads are trained with weight 1."""

    torchjd_name: ClassVar[str] = "Random"
    method: Literal["random"] = "random"
