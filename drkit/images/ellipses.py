"""The circle, or the upright ellipse, through most of some points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.012  # of the radius: how near to the curve a point lies on it
WIDE_TO_NARROW = (0.1, 0.03, TOLERANCE, TOLERANCE)
CLEAR_SHARE = 0.85  # of the points on a curve fitted to all of them: nothing has to be drawn
SLIGHT = 1e-9 * np.eye(4)  # lets a curve through too few points be solved for
FIRST_ALONE = np.array([1.0, 0.0, 0.0, 0.0])
BOTH = np.array([True, False])  # whether the curve is a circle
MIN_POINTS, MIN_ON = 12, 8  # points that there must be, and that must lie on the curve
NUM_DRAWS = 150  # of as few points as make a curve; half of the points may be wrong
ELLIPSE_GAIN = 1.05  # more points than on the circle must lie on an ellipse, for it to be the answer
MAX_ASPECT = 1.6  # of an ellipse: a 3:2 photograph squashed to a square, not a curve through nothing

Points = NDArray[np.float64]  # (P, 2)
Flags = NDArray[np.bool_]
Terms = NDArray[np.float64]  # (5, P) v^2, u, v, 1, u^2 of points whose middle is 0 and whose extent is 1
Sums = NDArray[np.float64]  # (D, 5, 5) of the products of their terms
Curve = NDArray[np.float64]  # (5,) factors of the terms, whose sum is 0 on the curve; a circle's first is its last
Curves = NDArray[np.float64]  # (D, 5)


@dataclass(frozen=True)
class Ellipse:
    """An upright ellipse; the pixel in column i covers i to i + 1."""

    x: float
    y: float
    radius_x: float
    radius_y: float

    @property
    def radius(self) -> float:
        """The longer radius."""
        return max(self.radius_x, self.radius_y)

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.x - self.radius_x, self.y - self.radius_y, self.x + self.radius_x, self.y + self.radius_y

    def scaled(self, factor: float) -> "Ellipse":
        """The same in a copy that is `factor` times as large."""
        return Ellipse(self.x * factor, self.y * factor, self.radius_x * factor, self.radius_y * factor)

    def rho(self, points: Points) -> NDArray[np.float64]:
        """(P,) distance from the centre, 1 on the ellipse."""
        away = (points - np.array([self.x, self.y])) / np.array([self.radius_x, self.radius_y])
        return np.hypot(*away.T)

    def holds(self, height: int, width: int, share: float = 1.0) -> Flags:
        """(H, W) bool: pixels whose middle lies within `share` of the radii."""
        across = ((np.arange(width, dtype=np.float32) + 0.5 - self.x) / self.radius_x) ** 2
        down = ((np.arange(height, dtype=np.float32) + 0.5 - self.y) / self.radius_y) ** 2
        return across[None, :] + down[:, None] <= share * share


@dataclass(frozen=True)
class Fit:
    """A curve and how many points lie on it."""

    ellipse: Ellipse
    num_on: int


def fit_disc(points: Points) -> Fit | None:
    """The circle through most of the points, or the ellipse where clearly more points lie on it.

    A curve is fitted by least squares to all points, then to those near it. Where too many lie off it, random samples
    of a few points each make curves (RANSAC; the draws are seeded), and the one that most points lie on is fitted.

    Args:
        points: (P, 2) x and y; up to half of them may be off the curve.

    Returns:
        None where no curve goes through the points.

    Source: Fischler and Bolles, Random sample consensus, CACM 24 (1981).
    """
    if len(points) < MIN_POINTS:
        return None
    middle = points.mean(axis=0)
    unit = float(np.abs(points - middle).max()) or 1.0
    u, v = ((points - middle) / unit).T
    terms = np.stack([v * v, u, v, np.ones_like(u), u * u])
    curve, num_on = _fit(terms)
    if num_on < MIN_ON or not np.isfinite(curve[0]):
        return None
    b, c, d, _, a = curve.tolist()
    x, y = -c / (2 * a), -d / (2 * b)
    radius_x, radius_y = (0.5 / a) ** 0.5, (0.5 / b) ** 0.5
    x, y = x * unit + float(middle[0]), y * unit + float(middle[1])
    return Fit(Ellipse(x, y, radius_x * unit, radius_y * unit), num_on)


def _fit(terms: Terms) -> tuple[Curve, int]:
    """The curve and how many points lie on it."""
    on = _narrow(terms, np.ones((2, terms.shape[1]), bool), WIDE_TO_NARROW)
    num_on = _count(on)
    if max(num_on) < CLEAR_SHARE * terms.shape[1]:
        on = _narrow(terms, _draw(terms), WIDE_TO_NARROW[-1:] * 3)
        num_on = _count(on)
    chosen = int(num_on[1] > ELLIPSE_GAIN * num_on[0])
    sums = (terms * on[chosen]) @ terms.T  # of no others than those that lie on it
    return _solve(sums[None], BOTH[chosen : chosen + 1])[0], num_on[chosen]


def _narrow(terms: Terms, on: Flags, tolerances: Sequence[float]) -> Flags:
    """Fit circle and ellipse to the points (2, P) that lie on them, again and again: those that do in the end."""
    enough = on.shape[1] / ELLIPSE_GAIN
    for step, tolerance in enumerate(tolerances):
        off = np.abs(_solve((terms * on[:, None]) @ terms.T, BOTH) @ terms)
        lies_on = off < TOLERANCE
        num_on_circle, num_on_ellipse = _count(lies_on)
        if num_on_circle >= enough or (step and num_on_ellipse >= enough):  # the circle is given a second chance
            break
        on = off < tolerance
    return lies_on


def _draw(terms: Terms) -> Flags:
    """The points (2, P) on that circle and that ellipse, of many through a few points each, that most lie on."""
    generator, found = np.random.default_rng(0), []
    for is_circle, needed in zip(BOTH, (3, 4), strict=True):
        drawn = terms.T[generator.integers(0, terms.shape[1], (NUM_DRAWS, needed))]
        curves = _solve(drawn.transpose(0, 2, 1) @ drawn, np.full(NUM_DRAWS, is_circle))
        on = np.abs(curves @ terms) < TOLERANCE  # (D, P)
        found.append(on[int(on.sum(axis=1).argmax())])
    return np.stack(found)


def _count(on: Flags) -> list[int]:
    return [int(np.count_nonzero(row)) for row in on]


def _solve(sums: Sums, is_circle: Flags) -> Curves:
    """Least-squares curves, scaled so that their products with terms say how far points are off, in radii.

    At `rho` radii from its middle an ellipse's product is its horizontal radius squared times `rho^2 - 1`, which near
    it is `2 (rho - 1)`.

    Args:
        sums: (D, 5, 5) of products of the points' terms.
        is_circle: (D,) whether the curve shall be one.

    Returns:
        (D, 5); NaN where a curve is no ellipse or too flat.
    """
    square, wanted = sums[:, :4, :4] + SLIGHT, -sums[:, :4, 4:]
    square[is_circle, 0], wanted[is_circle, 0] = FIRST_ALONE, 1  # then the first factor is the last
    curves = np.ones((len(sums), 5))
    curves[:, :4] = np.linalg.solve(square, wanted)[..., 0]
    curves[is_circle, 0] = 1  # to the last bit
    b, c, d, e, _ = curves.T
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = (c * c + d * d / b) / 4 - e
        factor = 0.5 / squared
    factor[(b < MAX_ASPECT**-2) | (b > MAX_ASPECT**2) | (squared <= 0)] = np.nan
    curves *= factor[:, None]
    return curves
