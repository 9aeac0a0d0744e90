# SPDX-License-Identifier: Apache-2.0
"""Settings of which images are drawn how often."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mtl_perception.core.settings_by_name import by_name


class _Sampling(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str


class Uniform(_Sampling):
    """Within a folder no image comes again before every other one came."""

    method: Literal["uniform"] = "uniform"


class LossRank(_Sampling):
    """Images that cost more are drawn more often: within a folder, how often falls exponentially with the rank of an image's last known
    loss (Loshchilov and Hutter, Online Batch Selection for Faster Training of Neural Networks, ICLR 2016 workshop). Ranks rather than losses,
    so that an image with a wrong label does not take all draws, and taken task by task, so that no task's scale decides.

    Attributes:
        pressure: so many times as often as the easiest image of a folder its hardest one is drawn. No image is drawn less often than
            by this factor than any other, so none starves.
        smoothing: weight of what was known of an image before when it is measured again, which takes off what augmentation adds by chance.
    """

    method: Literal["loss_rank"]
    pressure: float = Field(4.0, gt=1, le=100)
    smoothing: float = Field(0.5, ge=0, lt=1)


_METHODS = {"uniform": Uniform, "loss_rank": LossRank}

Sampling = Annotated[Uniform | LossRank, Field(discriminator="method"), by_name("sampling", _METHODS)]
"""Type of a configuration's section ``sampling``: a method's name, or a mapping with ``method`` and its settings."""
