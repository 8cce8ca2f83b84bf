"""The circle or upright ellipse through the most of given points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.012  # radii: points up to this distance from the curve are on it
WIDE_TO_NARROW = (0.1, 0.03, TOLERANCE, TOLERANCE)
CLEAR_SHARE = 0.85  # share of points on a curve fitted to all of them that makes RANSAC unnecessary
HOPELESS_SHARE = 0.5  # share of the points wanted on a circle below which it is not fitted again
MIN_POINTS, MIN_ON = 12, 8  # least number of points, and of points on the curve
NUM_DRAWS = 40  # number of RANSAC samples; up to half of the points may be outliers
ELLIPSE_GAIN = 1.05  # an ellipse is chosen if it has more points than the circle by this factor
MAX_ASPECT = 1.6  # ratio of the axes: a 3:2 photograph squashed to a square has 1.5
RIDGE = {num_known: 1e-9 * np.eye(num_known) for num_known in (3, 4)}  # keeps the equations of too few points solvable

Points = NDArray[np.float64]  # (P, 2)
Flags = NDArray[np.bool_]
Terms = NDArray[np.float64]  # (K, P) of points: u, v, 1, u^2 + v^2 for a circle; v^2, u, v, 1, u^2 for an ellipse
Conic = NDArray[np.float64]  # (K,) coefficients of the terms, whose sum is 0 on the curve

_DRAWS = np.random.default_rng(0).random((NUM_DRAWS, 4))


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
        """The left, top, right and bottom edge in pixels."""
        return self.x - self.radius_x, self.y - self.radius_y, self.x + self.radius_x, self.y + self.radius_y

    def away(self, points: Points) -> Points:
        """Points (P, 2) relative to the centre, in radii: vectors of length 1 are on the ellipse."""
        return (points - (self.x, self.y)) / (self.radius_x, self.radius_y)

    def holds(self, height: int, width: int) -> Flags:
        """Pixels whose centre is inside, (H, W) bool."""
        across = ((np.arange(width, dtype=np.float32) + 0.5 - self.x) / self.radius_x) ** 2
        down = ((np.arange(height, dtype=np.float32) + 0.5 - self.y) / self.radius_y) ** 2
        return across[None, :] + down[:, None] <= 1


@dataclass(frozen=True)
class Fit:
    """A curve and the number of points on it."""

    ellipse: Ellipse
    num_on: int


def fit_disc(points: Points) -> Fit | None:
    """Fit the circle through most of the points, or an ellipse if clearly more points are on it.

    A curve is fitted by least squares to all points, then to those near it. If too many are off the curve, RANSAC (with
    a fixed seed) fits curves to random samples of a few points, and refines the one with most points.

    Args:
        points: (P, 2) x and y; up to half of them may be outliers.

    Returns:
        None if no curve fits.

    Source: Fischler and Bolles, Random sample consensus, CACM 24 (1981).
    """
    if len(points) < MIN_POINTS:
        return None
    middle = np.add.reduce(points) / len(points)
    away = points - middle
    unit = float(np.abs(away).max()) or 1.0
    u, v = away.T / unit
    ones, uu, vv = np.ones_like(u), u * u, v * v
    terms, on = _fit(np.array([u, v, ones, uu + vv]), np.array([vv, u, v, ones, uu]))
    num_on = int(np.count_nonzero(on))
    curve = _solve(terms, on)
    if num_on < MIN_ON or np.isnan(curve[-1]):
        return None
    factors = curve.tolist()
    b, c, d, _, a = [factors[-1], *factors][-5:]  # a circle's b is its a
    x, y = middle.tolist()
    center_x, center_y = x - unit * c / (2 * a), y - unit * d / (2 * b)
    return Fit(Ellipse(center_x, center_y, unit * (0.5 / a) ** 0.5, unit * (0.5 / b) ** 0.5), num_on)


def _fit(circle: Terms, ellipse: Terms) -> tuple[Terms, Flags]:
    """The terms of the chosen curve, and which points (P,) are on it."""
    all_points = np.ones(circle.shape[1], bool)
    on_circle, on_ellipse = _narrow(circle, ellipse, all_points, all_points, WIDE_TO_NARROW)
    num_on_circle, num_on_ellipse = np.count_nonzero(on_circle), np.count_nonzero(on_ellipse)
    if max(num_on_circle, num_on_ellipse) < CLEAR_SHARE * len(all_points):
        on_circle, on_ellipse = _narrow(circle, ellipse, _draw(circle), _draw(ellipse), WIDE_TO_NARROW[-1:] * 3)
        num_on_circle, num_on_ellipse = np.count_nonzero(on_circle), np.count_nonzero(on_ellipse)
    return (ellipse, on_ellipse) if num_on_ellipse > ELLIPSE_GAIN * num_on_circle else (circle, on_circle)


def _narrow(
    circle: Terms, ellipse: Terms, near_circle: Flags, near_ellipse: Flags, tolerances: Sequence[float]
) -> tuple[Flags, Flags]:
    """Fit both curves repeatedly to the points near them; return which points (P,) are on each in the end."""
    enough = circle.shape[1] / ELLIPSE_GAIN
    on_ellipse = np.zeros_like(near_ellipse)
    for step, tolerance in enumerate(tolerances):
        off = np.abs(_solve(circle, near_circle) @ circle)
        on_circle, near_circle = off < TOLERANCE, off < tolerance
        if np.count_nonzero(on_circle) >= enough:
            break
        off = np.abs(_solve(ellipse, near_ellipse) @ ellipse)
        on_ellipse, near_ellipse = off < TOLERANCE, off < tolerance
        gets_another_chance = not step and np.count_nonzero(on_circle) > HOPELESS_SHARE * enough
        if np.count_nonzero(on_ellipse) >= enough and not gets_another_chance:
            break
    return on_circle, on_ellipse


def _solve(terms: Terms, on: Flags) -> Conic:
    """The least-squares curve through the points (P,) that are `on`, scaled by `_scale`; NaN if there is none."""
    products = (terms * on) @ terms.T
    num_known = len(terms) - 1
    curve = np.ones((len(terms), 1))
    cv2.solve(products[:-1, :-1] + RIDGE[num_known], -products[:-1, -1:], curve[:-1])
    return (curve * _scale(*[1.0, *curve[:, 0].tolist()][-5:-1]))[:, 0]


def _scale(b: float, c: float, d: float, e: float) -> float:
    """The factor that makes the sum of a point's terms its distance from the curve, in radii.

    At `rho` radii from the centre of an ellipse `u^2 + b v^2 + c u + d v + e = 0` that sum is the horizontal radius
    squared times `rho^2 - 1`, which near the ellipse is `2 (rho - 1)`.

    Returns:
        NaN if the curve is no ellipse, or too flat.
    """
    if not MAX_ASPECT**-2 <= b <= MAX_ASPECT**2:
        return math.nan
    squared_radius = (c * c + d * d / b) / 4 - e
    return 0.5 / squared_radius if squared_radius > 0 else math.nan


def _draw(terms: Terms) -> Flags:
    """RANSAC: which points (P,) are on the curve with most points, of many through a few random points each."""
    num_known = len(terms) - 1
    chosen = (_DRAWS[:, :num_known] * terms.shape[1]).astype(int)
    drawn = terms.T[chosen]  # (D, K - 1, K)
    curves = np.ones((NUM_DRAWS, len(terms)))
    known = drawn[..., :-1] + RIDGE[num_known]
    curves[:, :-1] = np.linalg.solve(known, -drawn[..., -1:])[..., 0]
    curves *= np.array([_scale(*[1.0, *curve][-5:-1]) for curve in curves.tolist()])[:, None]
    on = np.abs(curves @ terms) < TOLERANCE  # (D, P)
    return on[int(np.count_nonzero(on, axis=1).argmax())]
