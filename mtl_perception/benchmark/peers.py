# SPDX-License-Identifier: Apache-2.0
"""Models that a user would pick from torchvision instead: a detector and a segmenter.

Each answers as completely as ours from the same uint8 image: boxes, scores and classes in pixels of the image; a mask and a
confidence of one byte a pixel, as large as the image. Choices that matter favour the peers, and are said in ``NOTES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from mtl_perception.benchmark.images import camera_images
from mtl_perception.benchmark.settings import DETECTORS, SEGMENTERS, BenchmarkError, Size
from mtl_perception.core.scene import SCORE_THRESHOLD
from mtl_perception.inference.device import resolve_device, resolve_precision

PROPOSALS = 300

NOTES = (
    "The peers are torchvision's own networks in eager PyTorch with random weights (`weights=None, weights_backbone=None`), "
    "batch norms that have seen images, channels last, and the postprocessing that comes with them; half precision by "
    "autocast. On a CPU they run in float32, as they come; the two lightest also in bfloat16 where it has units for that.",
    f"Their boxes below {SCORE_THRESHOLD:g} are left out before non-maximum suppression: with random weights and torchvision's "
    "thresholds of 0.001 to 0.05 nearly every anchor would reach it. So suppression costs them almost nothing. Ours always "
    "suppresses among a fixed number of candidates.",
    "The input is the camera's image at its own size for all: ssdlite's transform, which would shrink everything to 320×320, "
    "is replaced by one for this size (its anchors follow the size of the feature maps), and the shorter side of the other two "
    "is the image's.",
    f"Faster R-CNN looks at {PROPOSALS} proposals, as many as in its paper; random weights would fill torchvision's limit of 1000.",
    "Depth is our own network of the same variant with the task depth alone, in our engine: torchvision has none, and one in "
    "eager PyTorch would cost more.",
)


class PeerSpec(BaseModel):
    """One of torchvision's networks: enough to start it here or in a process of its own."""

    model_config = ConfigDict(frozen=True)

    peer: str
    classes: int
    device: str = "auto"
    precision: str = "auto"
    image: Size


class Peer:
    """A torchvision network with a camera before it.

    Attributes:
        facts, images: as ``Subject`` has them.
    """

    images = 1

    def __init__(self, spec: PeerSpec, settled: bool = True) -> None:
        """
        Args:
            settled: let its batch norms see images first, which takes more memory than running it.
        """
        self._device, _ = resolve_device(spec.device)
        self._dtype, precision = resolve_precision(spec.precision, self._device)
        self._frames, self._turn = camera_images(*spec.image), 0
        torch.manual_seed(0)
        network = build_peer(spec.peer, spec.classes, spec.image)
        self._answer = detections if spec.peer in DETECTORS else mask_and_confidence
        if settled:
            # Two images: a batch norm over one pixel of one image would have nothing to average.
            pair = [_to_float(image, torch.device("cpu")) for image in self._frames[:2]]
            settle_batch_norms(network, lambda: network(pair if spec.peer in DETECTORS else torch.stack(pair)))
        self._network = network.eval().to(self._device, memory_format=torch.channels_last)
        size = f"{spec.image[0]}×{spec.image[1]}"
        self.facts = {"device": str(self._device), "precision": precision, "backend": "torch, eager"}
        self.facts |= {"image": size, "input": size, "batch": "1"}

    @torch.inference_mode()
    def __call__(self) -> Mapping[str, float]:
        image = self._frames[self._turn % len(self._frames)]
        self._turn += 1
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            self._answer(self._network, _to_float(image, self._device))
        return {}

    def close(self) -> None:
        del self._network


@torch.no_grad()
def settle_batch_norms(network: nn.Module, run: Callable[[], object]) -> None:
    """Give every batch norm the statistics of what ``run`` sends through ``network``, and leave it in evaluation mode.

    Random weights without it let values grow or vanish from layer to layer, and numbers too small for the processor's fast
    path would be timed instead of the network.
    """
    network.eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.train()
            layer.momentum = 1.0
    run()
    network.eval()


def build_peer(name: str, classes: int, size: Size) -> nn.Module:
    """A network with random weights for ``classes`` besides the background.

    Raises:
        BenchmarkError: it is not one of those that are compared with.
    """
    import torchvision.models.detection as detection
    import torchvision.models.segmentation as segmentation

    if name in SEGMENTERS:
        return getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=classes)
    if name not in DETECTORS:
        raise BenchmarkError(f"'{name}' is not compared with; expected some of: {', '.join(DETECTORS + SEGMENTERS)}")
    make: Callable[..., nn.Module] = getattr(detection, name)
    if name.startswith("ssdlite"):
        network = make(weights=None, weights_backbone=None, num_classes=classes + 1, score_thresh=SCORE_THRESHOLD)
        own = network.transform
        network.transform = GeneralizedRCNNTransform(min(size), max(size), own.image_mean, own.image_std, size_divisible=1, fixed_size=size)
        return network
    limits = {"min_size": min(size), "max_size": max(size)}
    if name.startswith("fasterrcnn"):
        limits |= {"box_score_thresh": SCORE_THRESHOLD, "rpn_post_nms_top_n_test": PROPOSALS}
    else:
        limits |= {"score_thresh": SCORE_THRESHOLD}
    return make(weights=None, weights_backbone=None, num_classes=classes + 1, **limits)


def detections(network: nn.Module, image: Tensor) -> tuple[np.ndarray, ...]:
    """Boxes (N, 4) in pixels, scores and classes of one image (3, H, W) in 0…1."""
    found = network([image])[0]
    return tuple(found[key].float().cpu().numpy() for key in ("boxes", "scores", "labels"))


def mask_and_confidence(network: nn.Module, image: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Class and its probability times 255, (H, W) uint8 both, of one image (3, H, W) in 0…1."""
    mean, std = (torch.tensor(values, device=image.device)[:, None, None] for values in _IMAGENET)
    normalised = ((image - mean) / std)[None].contiguous(memory_format=torch.channels_last)
    logits = network(normalised)["out"]  # enlarged to the image by the network itself
    probability, mask = logits.float().softmax(1)[0].max(0)
    return mask.byte().cpu().numpy(), (255 * probability).byte().cpu().numpy()


_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _to_float(image_rgb: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(image_rgb).to(device).permute(2, 0, 1).float().div(255)
