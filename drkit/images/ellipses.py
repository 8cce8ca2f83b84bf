"""The circle, or the upright ellipse, through most of some points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.012  # of the radius: how near to the curve a point lies on it
WIDE_TO_NARROW = (0.1, 0.03, TOLERANCE, TOLERANCE)
CLEAR_SHARE = 0.85  # of the points on a curve fitted to all of them: nothing has to be drawn
NUM_DRAWS = 150  # of as few points as make a curve; half of the points may be wrong
ELLIPSE_GAIN = 1.05  # more points than on the circle must lie on an ellipse, for it to be the answer
MAX_ASPECT = 1.6  # of an ellipse: a 3:2 photograph squashed to a square, not a curve through nothing

Points = NDArray[np.float64]  # (P, 2)
Coordinates = NDArray[np.float64]  # (P,) or (D, P)
Flags = NDArray[np.bool_]
Coefficients = NDArray[np.float64]  # (..., 4) of u^2 + b v^2 + c u + d v + e = 0, in the order b, c, d, e


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
    circle = _fit(points, is_circle=True)
    if circle and circle.num_on * ELLIPSE_GAIN >= len(points):
        return circle
    ellipse = _fit(points, is_circle=False)
    if circle is None or (ellipse and ellipse.num_on > ELLIPSE_GAIN * circle.num_on):
        return ellipse
    return circle


def _fit(points: Points, *, is_circle: bool) -> Fit | None:
    needed = 3 if is_circle else 4
    if len(points) < 3 * needed:
        return None
    middle = points.mean(axis=0)
    unit = float(np.abs(points - middle).max()) or 1.0
    u, v = ((points - middle) / unit).T
    curve, on = _narrow(u, v, np.ones(len(points), bool), WIDE_TO_NARROW, is_circle=is_circle)
    if on.sum() < CLEAR_SHARE * len(points):
        curve, on = _narrow(u, v, _draw(u, v, needed), (TOLERANCE,) * 3, is_circle=is_circle)
    x, y, radius_x, radius_y = _geometry(curve)[0] * unit
    if not np.isfinite(radius_x + radius_y) or on.sum() < 2 * needed:
        return None
    return Fit(Ellipse(float(x + middle[0]), float(y + middle[1]), float(radius_x), float(radius_y)), int(on.sum()))


def _narrow(
    u: Coordinates, v: Coordinates, on: Flags, tolerances: Sequence[float], *, is_circle: bool
) -> tuple[Coefficients, Flags]:
    """Fit to the points that lie on the curve, again and again: the curve (1, 4) and the points (P,) on it."""
    for tolerance in tolerances:
        curve = _solve(u[on][None], v[on][None], is_circle=is_circle)
        on = _lie_on(curve, u, v, tolerance)[0]
    return curve, on


def _draw(u: Coordinates, v: Coordinates, needed: int) -> Flags:
    """The points (P,) on that curve, of many through a few points each, that most points lie on."""
    draws = np.random.default_rng(0).integers(0, len(u), (NUM_DRAWS, needed))
    on = _lie_on(_solve(u[draws], v[draws], is_circle=needed == 3), u, v, TOLERANCE)  # (D, P)
    return on[int(on.sum(axis=1).argmax())]


def _solve(u: Coordinates, v: Coordinates, *, is_circle: bool) -> Coefficients:
    """Least-squares curves (D, 4) through D sets of points (D, P)."""
    ones = np.ones_like(u)
    known = np.stack([u, v, ones] if is_circle else [v * v, u, v, ones], axis=2)  # (D, P, 3 or 4)
    wanted = -(u * u + v * v) if is_circle else -u * u
    square = known.transpose(0, 2, 1) @ known + 1e-9 * np.eye(known.shape[2])
    found = np.linalg.solve(square, known.transpose(0, 2, 1) @ wanted[:, :, None])[:, :, 0]
    if is_circle:
        found = np.concatenate([np.ones((len(found), 1)), found], axis=1)
    return found.astype(np.float64, copy=False)


def _geometry(curves: Coefficients) -> NDArray[np.float64]:
    """(D, 4) centre and radii; NaN where a curve is no ellipse or too flat."""
    b, c, d, e = curves.T
    is_ellipse = (b > MAX_ASPECT**-2) & (b < MAX_ASPECT**2)
    b = np.where(is_ellipse, b, np.nan)
    x, y = -c / 2, -d / (2 * b)
    squared = x * x + b * y * y - e
    squared = np.where(squared > 0, squared, np.nan)
    return np.stack([x, y, np.sqrt(squared), np.sqrt(squared / b)], axis=1)


def _lie_on(curves: Coefficients, u: Coordinates, v: Coordinates, tolerance: float) -> Flags:
    """(D, P) which points lie on which curve."""
    x, y, radius_x, radius_y = _geometry(curves).T[:, :, None]
    rho = np.sqrt(((u - x) / radius_x) ** 2 + ((v - y) / radius_y) ** 2)
    return np.abs(rho - 1) < tolerance
