"""Diabetic lesions: their number by kind and grade, positions and shapes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from drkit.images.synthetic.anatomy import Anatomy, Points
from drkit.images.synthetic.vessels import STEP, Vessel


class LesionKind(IntEnum):
    """The values of a lesion mask; 0 is background."""

    MICROANEURYSM = 1
    HAEMORRHAGE = 2
    HARD_EXUDATE = 3
    COTTON_WOOL_SPOT = 4
    NEW_VESSELS = 5


@dataclass(frozen=True)
class Amount:
    """Number of lesions of a kind: with probability `chance` at least `least`, and on average `more` above that."""

    chance: float
    least: int
    more: float

    def draw(self, rng: np.random.Generator) -> int:
        """Draw a number; the variance is larger than Poisson's, so that neighbouring grades overlap."""
        num = self.least + int(rng.poisson(rng.gamma(2.0, self.more / 2)))
        return num if rng.random() < self.chance else 0


# Source: the ICDR scale (Wilkinson et al., Ophthalmology 2003, table 2), numbers chosen for 45 degree photographs.
AMOUNTS: Mapping[int, Mapping[LesionKind, Amount]] = {
    0: {},
    1: {LesionKind.MICROANEURYSM: Amount(1.0, 2, 5.0)},
    2: {
        LesionKind.MICROANEURYSM: Amount(1.0, 1, 7.0),
        LesionKind.HAEMORRHAGE: Amount(1.0, 1, 6.0),
        LesionKind.HARD_EXUDATE: Amount(0.6, 1, 2.0),
        LesionKind.COTTON_WOOL_SPOT: Amount(0.3, 1, 0.5),
    },
    3: {
        LesionKind.MICROANEURYSM: Amount(1.0, 2, 9.0),
        LesionKind.HAEMORRHAGE: Amount(1.0, 12, 11.0),
        LesionKind.HARD_EXUDATE: Amount(0.6, 1, 2.5),
        LesionKind.COTTON_WOOL_SPOT: Amount(0.8, 1, 2.0),
    },
    4: {
        LesionKind.MICROANEURYSM: Amount(1.0, 2, 10.0),
        LesionKind.HAEMORRHAGE: Amount(1.0, 2, 12.0),
        LesionKind.HARD_EXUDATE: Amount(0.5, 1, 2.0),
        LesionKind.COTTON_WOOL_SPOT: Amount(0.5, 1, 1.0),
        LesionKind.NEW_VESSELS: Amount(1.0, 1, 1.5),
    },
}
BEADING_CHANCE: Mapping[int, float] = {3: 0.7, 4: 0.4}
PRERETINAL_CHANCE: Mapping[int, float] = {4: 0.4}


@dataclass(frozen=True)
class Lesion:
    """One lesion: one spot, one group of hard exudates, or one tuft of new vessels.

    Args:
        kind: Kind of the lesion, its value in the mask.
        centre: Position (2,), in radii of the fundus disc from the fovea.
        outlines: Closed outlines of its parts, each (n, 2), in the same unit.
        strength: Share of light that it absorbs or adds, 0-1.
    """

    kind: LesionKind
    centre: NDArray[np.float64]
    outlines: tuple[Points, ...]
    strength: float


@dataclass(frozen=True)
class Disease:
    """Diabetic retinopathy of one eye.

    Args:
        grade: ICDR grade, 0-4.
        lesions: Lesions of the whole retina, including those outside all views.
        beading: Relative variation of the veins' calibre; 0 for none.
    """

    grade: int
    lesions: tuple[Lesion, ...]
    beading: float


def draw_disease(grade: int, anatomy: Anatomy, rng: np.random.Generator) -> Disease:
    """Draw the lesions of an eye; their positions, sizes and shapes do not depend on the grade."""
    lesions: list[Lesion] = []
    for kind, amount in AMOUNTS[grade].items():
        first_quadrant = int(rng.integers(4))
        for k in range(amount.draw(rng)):
            centre = _draw_position(anatomy, (first_quadrant + k) % 4, rng)
            lesions.append(_SHAPES[kind](anatomy, centre, rng))
    if rng.random() < PRERETINAL_CHANCE.get(grade, 0.0):
        lesions.append(_preretinal_haemorrhage(anatomy, _draw_position(anatomy, int(rng.integers(4)), rng), rng))
    beaded = rng.random() < BEADING_CHANCE.get(grade, 0.0)
    return Disease(grade, tuple(lesions), float(rng.uniform(0.35, 0.6)) if beaded else 0.0)


def _draw_position(anatomy: Anatomy, quadrant: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a position in a quadrant of the posterior pole, outside the optic disc and the fovea."""
    middle = np.array([anatomy.side * 0.30, 0.0])
    while True:
        angle, distance = (quadrant + rng.random()) * np.pi / 2, np.sqrt(rng.random())
        position = middle + distance * np.array([0.95 * np.cos(angle), 0.80 * np.sin(angle)])
        near_disc = np.linalg.norm(position - anatomy.optic_disc) < 1.5 * anatomy.body.disc_radius
        if not near_disc and np.linalg.norm(position) > 0.08:
            return position


def _blob(centre: NDArray[np.float64], radius: float, rough: float, rng: np.random.Generator) -> Points:
    """A closed outline about a centre; a circle if `rough` is 0."""
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    radii = np.full(20, radius)
    for k in (2, 3, 5):
        radii += radius * rough * rng.normal(0, 0.5) * np.cos(k * angles + rng.uniform(0, 2 * np.pi))
    radii = np.maximum(radii, 0.3 * radius)
    return centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _microaneurysm(anatomy: Anatomy, centre: NDArray[np.float64], rng: np.random.Generator) -> Lesion:
    outline = _blob(centre, anatomy.body.disc_radius * rng.uniform(0.085, 0.13), 0.1, rng)
    return Lesion(LesionKind.MICROANEURYSM, centre, (outline,), float(rng.uniform(0.65, 1.0)))


def _haemorrhage(anatomy: Anatomy, centre: NDArray[np.float64], rng: np.random.Generator) -> Lesion:
    """A dot, a blot, or a flame along the nerve fibres."""
    shape, unit = rng.random(), anatomy.body.disc_radius
    strength = float(rng.uniform(0.6, 1.0))
    if shape < 0.45:
        outlines = [_blob(centre, unit * rng.uniform(0.14, 0.22), 0.2, rng)]
    elif shape < 0.75:
        outlines = [_blob(centre, unit * rng.uniform(0.24, 0.44), 0.5, rng)]
    else:
        outlines = list(_flame(anatomy, centre, rng))
    return Lesion(LesionKind.HAEMORRHAGE, centre, tuple(outlines), strength)


def _flame(anatomy: Anatomy, centre: NDArray[np.float64], rng: np.random.Generator) -> Iterator[Points]:
    """Spindles side by side that point away from the optic disc."""
    away = centre - anatomy.optic_disc
    along = away / np.linalg.norm(away)
    across = np.array([-along[1], along[0]])
    length, num = anatomy.body.disc_radius * rng.uniform(0.6, 1.2), int(rng.integers(3, 7))
    t = np.linspace(0, np.pi, 9)
    for k in range(num):
        middle = centre + across * length * (k - num / 2) * 0.10 + along * length * rng.normal(0, 0.10)
        reach, waist = length * rng.uniform(0.35, 0.65), length * rng.uniform(0.045, 0.08)
        spine = middle - along * (reach * np.cos(t))[:, None]
        bulge = across * (waist * np.sin(t))[:, None]
        yield np.concatenate([spine + bulge, (spine - bulge)[::-1]])


def _preretinal_haemorrhage(anatomy: Anatomy, centre: NDArray[np.float64], rng: np.random.Generator) -> Lesion:
    """A boat-shaped haemorrhage: blood in front of the retina that has sunk, with a nearly level top."""
    width = anatomy.body.disc_radius * rng.uniform(0.8, 1.7)
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    depth = np.where(np.sin(angles) > 0, width * rng.uniform(0.5, 0.9), 0.12 * width)
    depth = depth * (1 + 0.05 * np.cos(3 * angles + rng.uniform(0, 6.3)))
    boat = centre + np.stack([width * np.cos(angles), depth * np.sin(angles)], axis=1)
    return Lesion(LesionKind.HAEMORRHAGE, centre, (boat,), 0.9)


def _hard_exudate(anatomy: Anatomy, centre: NDArray[np.float64], rng: np.random.Generator) -> Lesion:
    """A group of sharp specks, in a heap or in a ring around a leak."""
    unit, ring = anatomy.body.disc_radius, rng.random() < 0.4
    num = int(rng.integers(5, 18))
    angles = rng.uniform(0, 2 * np.pi) + np.sort(rng.uniform(0, 4.5 if ring else 2 * np.pi, num))
    reach = unit * (rng.normal(0.75, 0.07, num) if ring else np.abs(rng.normal(0, 0.42, num)))
    positions = centre + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    specks = tuple(_blob(position, unit * rng.uniform(0.05, 0.16), 0.45, rng) for position in positions)
    return Lesion(LesionKind.HARD_EXUDATE, centre, specks, float(rng.uniform(0.7, 1.0)))


def _cotton_wool_spot(anatomy: Anatomy, centre: NDArray[np.float64], rng: np.random.Generator) -> Lesion:
    radius = anatomy.body.disc_radius * rng.uniform(0.24, 0.42)
    puffs = tuple(
        _blob(centre + rng.normal(0, 0.5, 2) * radius, radius * rng.uniform(0.5, 0.9), 0.3, rng) for _ in range(4)
    )
    return Lesion(LesionKind.COTTON_WOOL_SPOT, centre, puffs, float(rng.uniform(0.6, 0.95)))


def _new_vessels(anatomy: Anatomy, centre: NDArray[np.float64], rng: np.random.Generator) -> Lesion:
    """A tuft of fine curled vessels, on the optic disc (one in three) or elsewhere."""
    unit = anatomy.body.disc_radius
    centre = 0.8 * centre + 0.2 * anatomy.optic_disc / 2  # inside both views
    if rng.random() < 1 / 3:
        centre = anatomy.optic_disc + rng.normal(0, 0.3, 2) * unit
    curls = tuple(_curl(centre, unit, rng) for _ in range(int(rng.integers(9, 17))))
    return Lesion(LesionKind.NEW_VESSELS, centre, curls, float(rng.uniform(0.75, 1.0)))


def _curl(centre: NDArray[np.float64], unit: float, rng: np.random.Generator) -> Points:
    num = int(rng.integers(10, 24))
    bends = rng.normal(0, 0.55, num) + rng.choice([-1, 1]) * rng.uniform(0.0, 0.35)
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(bends)
    steps = 0.8 * STEP * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    line = centre + rng.normal(0, 0.15, 2) * unit + np.cumsum(steps, axis=0)
    return Vessel(line, np.linspace(0.085, 0.045, num) * unit, vein=False, half=1).outline()


_Shape = Callable[[Anatomy, NDArray[np.float64], np.random.Generator], Lesion]
_SHAPES: Mapping[LesionKind, _Shape] = {
    LesionKind.MICROANEURYSM: _microaneurysm,
    LesionKind.HAEMORRHAGE: _haemorrhage,
    LesionKind.HARD_EXUDATE: _hard_exudate,
    LesionKind.COTTON_WOOL_SPOT: _cotton_wool_spot,
    LesionKind.NEW_VESSELS: _new_vessels,
}
