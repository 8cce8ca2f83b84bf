"""The vascular tree: arcades from the optic disc that branch, taper and wind."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drkit.images.synthetic.anatomy import AVASCULAR_RADIUS, Anatomy, Points

STEP = 0.02  # between two points of a vessel, in radii of the fundus disc
REACH = 1.55  # radii from the midpoint of fovea and optic disc; farther out no view reaches
THINNEST = 0.006  # radii: thinner vessels are not drawn
_LONGEST = 50  # points per branch
_MOST_BRANCHES = 16  # branches per vessel
GENERATIONS = 3  # generations of branches on a trunk
ARTERY_TO_VEIN = 0.72  # ratio of widths

# Bezier control points of the trunks, from the optic disc, x temporal and y up, and their relative width.
_TRUNKS: tuple[tuple[tuple[float, ...], float], ...] = (
    ((0.0, 0.0, -0.06, 0.72, 0.70, 0.92, 1.60, 0.22), 1.00),  # superior temporal arcade
    ((0.0, 0.0, -0.06, -0.72, 0.70, -0.92, 1.60, -0.22), 1.00),  # inferior temporal arcade
    ((0.0, 0.0, -0.02, 0.35, -0.30, 0.62, -0.75, 1.15), 0.80),  # superior nasal
    ((0.0, 0.0, -0.02, -0.35, -0.30, -0.62, -0.75, -1.15), 0.80),  # inferior nasal
    ((0.0, 0.0, -0.20, 0.12, -0.50, 0.20, -1.10, 0.22), 0.45),  # nasal
    ((0.0, 0.0, 0.16, 0.08, 0.32, 0.14, 0.52, 0.08), 0.34),  # towards the macula
    ((0.0, 0.0, 0.16, -0.08, 0.32, -0.14, 0.52, -0.08), 0.34),
)


@dataclass(frozen=True)
class Vessel:
    """One vessel between its origin and its end.

    Args:
        points: Centre line, (n, 2), in radii of the fundus disc from the fovea.
        widths: Width at each point, (n,), in the same unit.
        vein: Whether it is a vein; otherwise an artery.
        half: +1 for the upper half of the retina, -1 for the lower; vessels do not cross the raphe.
    """

    points: Points
    widths: NDArray[np.float64]
    vein: bool
    half: int

    def outline(self) -> Points:
        """The closed outline, (2n, 2)."""
        offset = _normals(self.points) * (self.widths / 2)[:, None]
        return np.concatenate([self.points + offset, (self.points - offset)[::-1]])


@dataclass(frozen=True)
class BranchOrigins:
    """Origins of branches.

    Args:
        points: Origins, (k, 2).
        ahead: Direction of the parent vessel at the origin, (k, 2), not normalised.
        sides: Side to which each branch turns, (k,), +1 or -1.
        widths: Width at the origin, (k,).
        veins: Whether each is a vein, (k,).
        halves: Half of the retina, as in `Vessel`, (k,).
    """

    points: Points
    ahead: Points
    sides: NDArray[np.int64]
    widths: NDArray[np.float64]
    veins: NDArray[np.bool_]
    halves: NDArray[np.int64]


def grow_vessels(anatomy: Anatomy, rng: np.random.Generator) -> list[Vessel]:
    """Grow the arteries and veins of one eye, in the order in which they are painted: thinnest first."""
    vessels = generation = _grow_trunks(anatomy, rng)
    for _ in range(GENERATIONS):
        if generation:
            generation = _grow_branches(_bud(generation, rng), anatomy, rng)
            vessels = vessels + generation
    return sorted(vessels, key=lambda vessel: float(vessel.widths[0]))


def bead_veins(vessels: list[Vessel], strength: float, rng: np.random.Generator) -> list[Vessel]:
    """Give the wide veins the beading of severe retinopathy; a strength of 0 changes nothing."""
    if strength == 0:
        return vessels
    wide = 0.4 * max(float(vessel.widths[0]) for vessel in vessels if vessel.vein)
    return [_bead(v, strength, rng) if v.vein and v.widths[0] > wide else v for v in vessels]


def _bead(vessel: Vessel, strength: float, rng: np.random.Generator) -> Vessel:
    along = np.arange(len(vessel.widths)) * STEP
    waves = np.sin(2 * np.pi * along / rng.uniform(0.11, 0.15) + rng.uniform(0, 2 * np.pi))
    extent = np.clip(np.sin(2 * np.pi * along / rng.uniform(0.7, 1.2) + rng.uniform(0, 2 * np.pi)) + 0.5, 0, 1)
    return replace(vessel, widths=vessel.widths * (1 + strength * waves * extent))


def _grow_trunks(anatomy: Anatomy, rng: np.random.Generator) -> list[Vessel]:
    """An artery and a vein along each course."""
    return [
        _grow_trunk(np.array(flat).reshape(4, 2), relative, vein, anatomy, rng)
        for flat, relative in _TRUNKS
        for vein in (False, True)
    ]


def _grow_trunk(course: Points, relative: float, vein: bool, anatomy: Anatomy, rng: np.random.Generator) -> Vessel:
    spread = np.array([[0.03], [0.06], [0.09], [0.14]]) * min(1.0, relative + 0.3)
    line = _bezier(course * [1, -1] + rng.normal(0, 1, (4, 2)) * spread)
    line = anatomy.from_disc(_wind(line, anatomy.body.tortuosity, rng))
    width = anatomy.body.vessel_width * relative * rng.uniform(0.85, 1.1) * (1.0 if vein else ARTERY_TO_VEIN)
    half = 1 if course[3, 1] > 0 else -1
    end = _ends(line[None], np.array([half]), anatomy)[0]
    return _taper(line[: max(end, 5)], width, vein, half)


def _bud(parents: list[Vessel], rng: np.random.Generator) -> BranchOrigins:
    """Draw origins of branches along vessels, mostly to alternating sides."""
    shape, sizes = (len(parents), _MOST_BRANCHES), np.array([len(parent.points) for parent in parents])
    indices = 2 + np.cumsum(rng.integers(6, 16, shape), axis=1)
    shares = rng.uniform(0.45, 0.80, shape)
    sides = rng.choice([-1, 1], (shape[0], 1)) * np.cumprod(np.where(rng.random(shape) < 0.7, -1, 1), axis=1)
    widths = np.concatenate([parent.widths for parent in parents])
    points = np.concatenate([parent.points for parent in parents])
    flat = np.minimum(indices, sizes[:, None] - 2) + (np.cumsum(sizes) - sizes)[:, None]
    keep = (indices < sizes[:, None] - 3) & (shares * widths[flat] > THINNEST)
    owners, flat = np.nonzero(keep)[0], flat[keep]
    return BranchOrigins(
        points=points[flat],
        ahead=points[flat + 1] - points[flat],
        sides=sides[keep],
        widths=shares[keep] * widths[flat],
        veins=np.array([parent.vein for parent in parents])[owners],
        halves=np.array([parent.half for parent in parents])[owners],
    )


def _grow_branches(buds: BranchOrigins, anatomy: Anatomy, rng: np.random.Generator) -> list[Vessel]:
    """Grow all branches of a generation; each leaves at an angle and bends back to its parent's direction."""
    num, along = len(buds.widths), np.arange(_LONGEST) * STEP
    swing = 14 * anatomy.body.tortuosity * rng.normal(0, 1, (num, 3, 1))
    phases = np.outer((7.5, 17.0, 26.0), along) + rng.uniform(0, 6.3, (num, 3, 1))
    waves = (swing * np.sin(phases)).sum(axis=1) * np.minimum(along / 0.1, 1)
    leave = buds.sides[:, None] * rng.uniform(0.6, 1.15, (num, 1))
    leave = leave * (0.35 + 0.65 * np.exp(-along / rng.uniform(0.1, 0.5, (num, 1))))
    headings = np.arctan2(buds.ahead[:, 1:], buds.ahead[:, :1]) + leave + waves
    steps = STEP * np.stack([np.cos(headings), np.sin(headings)], axis=2)
    lines = buds.points[:, None] + np.cumsum(steps, axis=1) - steps[:, :1]
    lengths = np.clip(buds.widths * rng.uniform(20, 48, num) / STEP, 6, _LONGEST).astype(int)
    ends = np.minimum(_ends(lines, buds.halves, anatomy), lengths)
    return [
        _taper(lines[k, : ends[k]], buds.widths[k], bool(buds.veins[k]), int(buds.halves[k]))
        for k in range(num)
        if ends[k] >= 5
    ]


def _ends(lines: NDArray[np.float64], halves: NDArray[np.int64], anatomy: Anatomy) -> NDArray[np.int64]:
    """Number (k,) of points of each line (k, n, 2) that the vessel keeps."""
    outside = _length(lines - anatomy.optic_disc / 2) > REACH
    fovea = _length(lines) < AVASCULAR_RADIUS
    temporal = (anatomy.optic_disc[0] - lines[..., 0]) * anatomy.side > 0.3
    across = temporal & (-lines[..., 1] * halves[:, None] < 0.015)
    ended = outside | fovea | across
    return np.where(ended.any(axis=1), ended.argmax(axis=1), lines.shape[1])


def _length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hypot(vectors[..., 0], vectors[..., 1])


def _taper(line: Points, width: float, vein: bool, half: int) -> Vessel:
    return Vessel(line, width * (1 - 0.62 * np.arange(len(line)) / len(line)), vein, half)


def _bezier(control: Points) -> Points:
    """Points about `STEP` apart on the cubic Bezier curve of (4, 2) control points."""
    num = max(8, int(np.linalg.norm(np.diff(control, axis=0), axis=1).sum() / STEP))
    t = np.linspace(0, 1, num)[:, None]
    p0, p1, p2, p3 = control
    return (1 - t) ** 3 * p0 + 3 * t * (1 - t) ** 2 * p1 + 3 * t**2 * (1 - t) * p2 + t**3 * p3


def _wind(line: Points, swing: float, rng: np.random.Generator) -> Points:
    """Add a smooth sideways deviation of about `swing` to a line, zero at its origin."""
    along = np.arange(len(line)) * STEP
    waves = sum(rng.normal() * np.sin(2 * np.pi * along * f + rng.uniform(0, 6.3)) for f in (0.9, 1.9, 3.3))
    return line + _normals(line) * (swing * waves * np.minimum(along / 0.3, 1))[:, None]


def _normals(line: Points) -> Points:
    """Unit vectors across a line of at least two points, (n, 2)."""
    steps = np.diff(line, axis=0, append=2 * line[-1:] - line[-2:-1])
    lengths = np.maximum(np.hypot(steps[:, 0], steps[:, 1]), 1e-9)
    return steps[:, ::-1] * (np.array([-1.0, 1.0]) / lengths[:, None])
