"""Healthy anatomy, in which retinas differ: positions, sizes and pigment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drkit.grades import Eye

Points = NDArray[np.float64]  # (n, 2), x to the right and y down, in radii of the fundus disc, the fovea at (0, 0)

DISC_DISTANCE = 0.72  # fovea to optic disc: 15.5 degrees in a field of 45 degrees
AVASCULAR_RADIUS = 0.12  # vessels end before the fovea

# Mid-retina colours seen in clinics: orange, brown, pink, olive, violet; reflectance 0-1.
_PIGMENTS = np.array(
    [[0.80, 0.45, 0.23], [0.60, 0.31, 0.12], [0.90, 0.54, 0.43], [0.60, 0.43, 0.18], [0.57, 0.34, 0.30]]
)


@dataclass(frozen=True)
class PatientTraits:
    """Traits that both eyes of a patient share.

    Args:
        pigment: Reflectance of the retina, (3,) RGB, 0-1.
        disc_radius: Radius of the optic disc, in radii of the fundus disc.
        cup_ratio: Ratio of cup to optic disc, 0-1.
        vessel_width: Width of the widest vein, in radii of the fundus disc.
        tortuosity: Sideways deviation of the vessels, in radii of the fundus disc.
        blood: Darkness of the vessels, 1 on average.
        tessellation: Visibility of the choroid, 0-1.
    """

    pigment: NDArray[np.float64]
    disc_radius: float
    cup_ratio: float
    vessel_width: float
    tortuosity: float
    blood: float
    tessellation: float


@dataclass(frozen=True)
class Anatomy:
    """One healthy eye.

    Args:
        eye: Left or right; the optic disc of the left eye is to the left of the fovea in the photograph.
        body: Traits that it shares with the other eye.
        optic_disc: Centre of the optic disc, (2,), in radii of the fundus disc from the fovea.
        aspect: Ratio of height to width of the optic disc.
        crescent: Strength of the pale crescent on the disc's temporal side; 0 for none.
        macula: Darkness of the macula, 0-1.
    """

    eye: Eye
    body: PatientTraits
    optic_disc: NDArray[np.float64]
    aspect: float
    crescent: float
    macula: float

    @property
    def side(self) -> int:
        """The direction from the fovea to the optic disc: +1 to the right, -1 to the left."""
        return 1 if self.eye == "right" else -1

    def from_disc(self, points: Points) -> Points:
        """Convert points relative to the optic disc, x temporal and y down, to points relative to the fovea."""
        return self.optic_disc + points * np.array([-self.side, 1.0])


def draw_constitution(rng: np.random.Generator) -> PatientTraits:
    """Draw the traits that both eyes of a patient share."""
    mixture = rng.dirichlet(np.full(len(_PIGMENTS), 0.5))
    return PatientTraits(
        pigment=np.clip(mixture @ _PIGMENTS * rng.lognormal(0, 0.07, 3), 0.05, 0.97),
        disc_radius=float(np.clip(rng.normal(0.135, 0.010), 0.112, 0.160)),
        cup_ratio=float(rng.uniform(0.25, 0.60)),
        vessel_width=float(rng.uniform(0.028, 0.038)),
        tortuosity=float(rng.uniform(0.006, 0.020)),
        blood=float(rng.uniform(0.70, 1.30)),
        tessellation=float(rng.beta(1.2, 3.0)),
    )


def draw_anatomy(eye: Eye, body: PatientTraits, rng: np.random.Generator) -> Anatomy:
    """Draw one eye of a patient with these traits."""
    side = 1 if eye == "right" else -1
    return Anatomy(
        eye=eye,
        body=body,
        optic_disc=np.array([side * DISC_DISTANCE * rng.uniform(0.95, 1.05), rng.normal(-0.05, 0.03)]),
        aspect=float(rng.uniform(1.0, 1.18)),
        crescent=float(max(0.0, rng.normal(0.0, 0.35))),
        macula=float(rng.uniform(0.25, 0.55)),
    )
