# SPDX-License-Identifier: Apache-2.0
"""Pictures like those of ultrasound, with lesions whose mask, findings and grade are known. They are drawn, not measured: made to try
a network with masks and several classes on, and without any medical meaning.

    mtl-perception render-ultrasound --out data/ultrasound

A picture is made as a scanner makes it: scatterers in a polar grid (depth, beam), weighed by how strongly tissue reflects, seen
through a point spread function, whose envelope is the speckle (Bamber and Dickinson, Ultrasonic B-scanning: a computer simulation,
Phys. Med. Biol. 1980); what lies behind a lesion is darker or brighter by what the beam lost in it; then logarithm and scan conversion.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mtl_perception.data.writer import LabelledImage, write_index, write_sample

MASK_LABELS = ["outside", "tissue", "lesion"]
FINDINGS = ["cystic", "irregular margin", "shadow", "calcification"]
"""Any of them may apply to a lesion, but a cyst has none of the others."""
GRADES = ["lesion", "grade 2 or more", "grade 3"]
"""The grade as cumulative classes (Frank and Hall, A simple approach to ordinal classification, ECML 2001): as many as apply is the grade,
0 without a lesion. A lesion of grade 2 has one of the findings that count, one of grade 3 more than one."""
COUNTING = frozenset(FINDINGS[1:])
"""The findings that make a grade."""
CLASSES = [*GRADES, *FINDINGS]

VIEWS = 4
"""Pictures of a patient: one set of tissue layers, one scanner's settings."""
_SAMPLES, _BEAMS = 288, 160
_EDGE = 0.05
"""Width of the boundary of a lesion, in shares of its size."""


@dataclass(frozen=True)
class UltrasoundSettings:
    """Settings of a data set; equal ones give equal files."""

    images: int
    seed: int = 1
    width: int = 256
    height: int = 192

    def __post_init__(self) -> None:
        for name, least in (("images", 1), ("width", 32), ("height", 32), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"ultrasound pictures: {name} is {getattr(self, name)}, expected at least {least}")


@dataclass(frozen=True)
class Patient:
    """One body under one scanner.

    Attributes:
        half_angle: of the sector, radians.
        near: distance of the probe's surface from the apex of the sector, in shares of the depth that is shown.
        layers: depths of the borders between tissues, 0 to 1, rising.
        levels: how strongly each of them reflects, one more than there are borders.
        gain_db, range_db: brightness, and how many decibels lie between black and white.
        loss_db: how much darker the deepest tissue is than the nearest.
    """

    half_angle: float
    near: float
    layers: np.ndarray
    levels: np.ndarray
    gain_db: float
    range_db: float
    loss_db: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Patient:
        return cls(
            half_angle=float(rng.uniform(0.45, 0.62)),
            near=float(rng.uniform(0.25, 0.6)),
            layers=np.sort(rng.uniform([0.04, 0.12, 0.45], [0.08, 0.3, 0.8])),
            levels=np.exp(rng.normal([1.0, -0.3, 0.3, 0.0], 0.35)),
            gain_db=float(rng.uniform(-4, 4)),
            range_db=float(rng.uniform(42, 58)),
            loss_db=float(rng.uniform(2, 12)),
        )


@dataclass(frozen=True)
class Lesion:
    """An ellipse with a wavy boundary, in units of the depth that is shown.

    Attributes:
        centre: across and down, from the middle of the probe's surface.
        axes: its half lengths.
        angle: of the first axis, radians.
        waves: (N, 2) amplitude and phase of what the boundary swings by, once to N times around.
        findings: of ``FINDINGS``.
        level: how strongly it reflects, beside tissue around it.
        loss: of the logarithm of what comes back from behind it, for each unit of its thickness; negative for a cyst, which takes
            less from the beam than tissue does.
    """

    centre: tuple[float, float]
    axes: tuple[float, float]
    angle: float
    waves: np.ndarray
    findings: frozenset[str]
    level: float
    loss: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Lesion:
        if rng.random() < 0.25:
            findings = frozenset({"cystic"})
        else:
            findings = frozenset(finding for finding in sorted(COUNTING) if rng.random() < 0.4)
        size = float(rng.uniform(0.06, 0.16))
        strength = 0.16 if "irregular margin" in findings else 0.02
        count = 9
        waves = np.stack([strength * rng.uniform(0.3, 1, count) / np.sqrt(np.arange(1, count + 1)), rng.uniform(0, 2 * np.pi, count)], 1)
        waves[0, 0] = 0  # once around only moves it
        loss = rng.uniform(10, 18) if "shadow" in findings else rng.uniform(-1, 1.5)
        return cls(
            centre=(float(rng.uniform(-0.3, 0.3)), float(rng.uniform(0.3, 0.7))),
            axes=(size * float(rng.uniform(1.0, 1.6)), size * float(rng.uniform(0.7, 1.0))),
            angle=float(rng.uniform(-0.5, 0.5)),
            waves=waves,
            findings=findings,
            level=float(rng.uniform(0.004, 0.012) if "cystic" in findings else rng.uniform(0.08, 0.3)),
            loss=float(rng.uniform(-9, -5) if "cystic" in findings else loss),
        )

    @property
    def grade(self) -> int:
        return 1 + min(2, len(self.findings & COUNTING))

    def inside(self, across: np.ndarray, down: np.ndarray) -> np.ndarray:
        """How far places lie inside of the boundary, in shares of the lesion's size; negative outside."""
        x, y = across - self.centre[0], down - self.centre[1]
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        u, v = (cos * x + sin * y) / self.axes[0], (cos * y - sin * x) / self.axes[1]
        around = np.arctan2(v, u)
        swing = sum(amplitude * np.sin(k * around + phase) for k, (amplitude, phase) in enumerate(self.waves, 1))
        return 1 + swing - np.hypot(u, v)


def classes_of(lesion: Lesion | None) -> list[str]:
    """Those of ``CLASSES`` that apply to a picture with this lesion, or with none."""
    if lesion is None:
        return []
    return [*GRADES[: lesion.grade], *(finding for finding in FINDINGS if finding in lesion.findings)]


def drawn_picture(rng: np.random.Generator, patient: Patient, width: int, height: int, group: str) -> LabelledImage:
    """A picture of ``patient``, of another place in the body at each call."""
    lesion = Lesion.drawn(rng) if rng.random() < 0.85 else None
    echoes = _echoes(rng, patient, lesion)
    # Each pixel's place: across and down from the probe, then along which beam and how deep.
    far = 1 + patient.near
    scale = far / (height - 1)
    across, down = np.meshgrid((np.arange(width) - (width - 1) / 2) * scale, np.arange(height) * scale)
    top = patient.near * np.cos(patient.half_angle)
    down = top + down * (far - top) / far
    beam = (np.arctan2(across, down) / patient.half_angle + 1) / 2
    depth = np.hypot(across, down) - patient.near
    is_seen = (beam >= 0) & (beam <= 1) & (depth >= 0) & (depth <= 1)
    places = (beam * (_BEAMS - 1)).astype(np.float32), (depth * (_SAMPLES - 1)).astype(np.float32)
    grey = np.where(is_seen, cv2.remap(echoes, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), 0.0)
    mask = np.where(is_seen, MASK_LABELS.index("tissue"), MASK_LABELS.index("outside")).astype(np.uint8)
    if lesion is not None:
        mask[is_seen & (lesion.inside(across, down - patient.near) > 0)] = MASK_LABELS.index("lesion")
    image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2)
    return LabelledImage(image, None, group, maps={"segmentation": mask}, classes=classes_of(lesion))


def _echoes(rng: np.random.Generator, patient: Patient, lesion: Lesion | None) -> np.ndarray:
    """(samples, beams) float32 in 0…255: what comes back from each depth of each beam, as it is shown."""
    depth = np.linspace(0, 1, _SAMPLES)[:, None]
    angle = np.linspace(-1, 1, _BEAMS)[None] * patient.half_angle
    across = (depth + patient.near) * np.sin(angle)
    down = (depth + patient.near) * np.cos(angle) - patient.near
    wavy = depth + 0.03 * _smooth(rng, (1, _BEAMS), 12)
    power = patient.levels[np.searchsorted(patient.layers, wavy)] * np.exp(0.5 * _smooth(rng, (_SAMPLES, _BEAMS), 14))
    power *= np.exp(1.2 * np.clip(_smooth(rng, (_SAMPLES, _BEAMS), 3) - 2.0, 0, None))  # bright strands
    for _ in range(rng.poisson(1.5)):  # vessels: thin and dark, and no lesions
        x, y, turn = rng.uniform(-0.4, 0.4), rng.uniform(0.15, 0.9), rng.uniform(-0.6, 0.6)
        off = np.abs((down - y) * np.cos(turn) - (across - x) * np.sin(turn) + 0.02 * np.sin(12 * across))
        along = np.hypot(across - x, down - y)
        power *= np.where((off < rng.uniform(0.006, 0.014)) & (along < rng.uniform(0.05, 0.2)), 0.03, 1.0)
    if lesion is not None:
        share = np.clip(lesion.inside(across, down) / _EDGE + 0.5, 0, 1)
        power = power ** (1 - share) * (lesion.level * np.exp(0.4 * _smooth(rng, (_SAMPLES, _BEAMS), 5))) ** share
        power *= np.exp(-lesion.loss * np.cumsum(share, 0) / _SAMPLES)
        if "calcification" in lesion.findings:
            _add_specks(rng, power, share)
    scatterers = rng.normal(size=(2, _SAMPLES, _BEAMS)) * np.sqrt(power)
    seen = [cv2.GaussianBlur(part, (0, 0), sigmaX=1.6, sigmaY=0.8) for part in scatterers]
    envelope = np.hypot(*seen) * 10 ** (-patient.loss_db * depth / 20)
    shown_db = 20 * np.log10(envelope + 2e-3) + patient.gain_db
    white_db = 6.0
    return (255 * (1 + (shown_db - white_db) / patient.range_db)).clip(0, 255).astype(np.float32)


def _add_specks(rng: np.random.Generator, power: np.ndarray, share: np.ndarray) -> None:
    rows, columns = np.nonzero(share > 0.95)
    if not len(rows):
        return
    for place in rng.integers(0, len(rows), rng.integers(5, 12)):
        row, column = rows[place], columns[place]
        power[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = rng.uniform(15, 50)


def _smooth(rng: np.random.Generator, shape: tuple[int, int], size: float) -> np.ndarray:
    """A random field of mean 0 and deviation 1 that changes over ``size`` cells."""
    field = cv2.GaussianBlur(rng.normal(size=shape), (0, 0), size)
    return (field - field.mean()) / field.std()


def render_ultrasound(out: Path, settings: UltrasoundSettings, progress: bool = True) -> None:
    """Write ``settings`` as a data folder (docs/data.md); a patient is a group.

    Raises:
        ValueError: there is a data set in ``out`` already.
        OSError: a file could not be written.
    """
    if (out / "dataset.json").exists():
        raise ValueError(f"{out} holds a data set already; choose another folder or delete it")
    entries = []
    for i in track(range(settings.images), "drawing pictures", disable=not progress):
        patient = Patient.drawn(np.random.default_rng((settings.seed, i // VIEWS)))
        rng = np.random.default_rng((settings.seed, i // VIEWS, 1 + i % VIEWS))
        picture = drawn_picture(rng, patient, settings.width, settings.height, f"patient{i // VIEWS:05d}")
        entries.append(write_sample(out, f"patient{i // VIEWS:05d}_{i % VIEWS}", picture))
    description = {
        "segmentation_labels": MASK_LABELS,
        "detection_labels": [],
        "classification_labels": CLASSES,
        "generator": "mtl_perception.simulation.ultrasound",
        "source": "drawn by mtl_perception",
        "license": "Apache-2.0",
        "settings": asdict(settings),
    }
    write_index(out, description, entries)
