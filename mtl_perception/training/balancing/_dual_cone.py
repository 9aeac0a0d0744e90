# SPDX-License-Identifier: Apache-2.0
"""The projection that UPGrad and DualProj need, without the solver under the GPL that torchjd takes for it."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor
from torchjd.linalg import DualConeProjector


class LeastSquaresProjector(DualConeProjector):
    """Projects combinations of gradients so that they harm no task: min vᵀGv over v ≥ u, exactly.

    With G = AᵀA and v = u + z that is the least-squares problem min ‖Az + Au‖ over z ≥ 0.
    """

    def __call__(self, U: Tensor, G: Tensor) -> Tensor:
        """
        Args:
            U: (..., T) weights of T gradients.
            G: (T, T) the gradients' inner products.

        Returns:
            (..., T) the weights v.
        """
        values, vectors = np.linalg.eigh(G.detach().cpu().double().numpy())
        root = np.sqrt(values.clip(min=0))[:, None] * vectors.T
        root /= max(root.max(), np.finfo(np.float64).tiny)  # the solver's tolerance is absolute
        wanted = U.detach().cpu().double().numpy()
        projected = np.apply_along_axis(lambda u: u + nnls(root, -root @ u)[0], -1, wanted)
        return torch.as_tensor(projected, dtype=U.dtype, device=U.device)
