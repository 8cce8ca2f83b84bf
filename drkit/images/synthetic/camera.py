"""The camera, independent of the grade: field, light, focus, sensor, and what degrades a photograph."""

from dataclasses import dataclass
from math import cos, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.images.files import Photograph
from drkit.images.synthetic.canvas import ColourImage, Field, Layer, clouds
from drkit.images.synthetic.lesions import LesionKind
from drkit.images.synthetic.retina import Retina

FIELD_RADIUS = 0.47  # mean radius of the fundus disc, in sides of the photograph
SEEN_FROM = 0.35  # share of a pixel that a lesion has to cover to be in the mask
PixelGrid = NDArray[np.floating]
_GRID = 64  # side of the grid on which light, which is smooth, is computed


@dataclass(frozen=True)
class Camera:
    """The camera of a patient's photographs.

    Args:
        radius: Radius of the fundus disc, in sides of the photograph.
        tint: Gain of red, green and blue, (3,).
        brightness: Gain of all three.
        flatness: Height of the cut at the top and bottom of the fundus disc, in its radii.
        notch: Whether there is an orientation notch at the upper right of the fundus disc.
        sensor: Standard deviation of the sensor's noise, in grey levels.
    """

    radius: float
    tint: NDArray[np.float64]
    brightness: float
    flatness: float
    notch: bool
    sensor: float


@dataclass(frozen=True)
class Exposure:
    """The conditions of one photograph.

    Args:
        offset: Offset of the field's centre from its target, (2,), in radii of the fundus disc.
        turn: Rotation of the camera about its axis, in radians.
        zoom: Relative magnification.
        brightness: Gain.
        slope: Relative change of the light towards one side, (x, y), at the edge.
        vignette: Share of light lost at the edge.
        shadow: (x, y, radius, depth) of a shadow.
        reflex: (x, y, radius, strength) of the lens reflex.
        rim: (angle, strength) of stray light at the edge.
        haze: Share of scattered light.
        blur: Sigma of the defocus, in radii of the fundus disc.
        spots: Dust spots, (k, 4): x, y, radius, strength.
        seed: Seed of the sensor's noise.
    """

    offset: NDArray[np.float64]
    turn: float
    zoom: float
    brightness: float
    slope: NDArray[np.float64]
    vignette: float
    shadow: NDArray[np.float64]
    reflex: NDArray[np.float64]
    rim: tuple[float, float]
    haze: float
    blur: float
    spots: NDArray[np.float64]
    seed: int


@dataclass(frozen=True)
class Quality:
    """Quality of a photograph on DeepDRiD's scales: clarity and field 1-10 (best), artifact 0 (best)-10."""

    overall: int
    clarity: int
    field_definition: int
    artifact: int


def draw_camera(rng: np.random.Generator) -> Camera:
    """Draw a camera and its settings."""
    return Camera(
        radius=float(np.clip(rng.normal(FIELD_RADIUS, 0.006), 0.45, 0.485)),
        tint=rng.lognormal(0, [0.06, 0.07, 0.20]),
        brightness=float(rng.lognormal(-0.05, 0.27)),
        flatness=float(rng.uniform(0.03, 0.09)) if rng.random() < 0.25 else 0.0,
        notch=bool(rng.random() < 0.8),
        sensor=float(rng.uniform(0.8, 2.2)),
    )


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """Draw light, aim and focus of one photograph; one in four is out of focus, one in six badly lit."""
    blurred, dim, shaded, stray = rng.random(4) < [0.22, 0.14, 0.35, 0.40]
    position = rng.uniform(-0.6, 0.6, 2)
    return Exposure(
        offset=rng.normal(0, 0.045, 2).clip(-0.11, 0.11),
        turn=float(rng.normal(0, 0.05)),
        zoom=float(rng.uniform(0.96, 1.04)),
        brightness=float(rng.lognormal(0, 0.07) * (rng.choice([0.55, 1.25]) if dim else 1.0)),
        slope=rng.normal(0, 0.16, 2),
        vignette=float(rng.uniform(0.05, 0.55)),
        shadow=np.array([*position, rng.uniform(0.3, 0.6), rng.uniform(0.2, 0.7) * shaded]),
        reflex=np.array([*rng.normal(0, 0.12, 2), rng.uniform(0.15, 0.5), rng.uniform(0.0, 0.20)]),
        rim=(float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.15, 0.9) * stray)),
        haze=float(rng.beta(1.2, 8)),
        blur=float(rng.uniform(0.006, 0.014) if blurred else rng.uniform(0.0005, 0.0045)),
        spots=_draw_spots(rng),
        seed=int(rng.integers(2**32)),
    )


def judge_quality(exposure: Exposure) -> Quality:
    """Rate a photograph as a reader would, from its conditions."""
    blur, depth, stray = exposure.blur, float(exposure.shadow[3]), exposure.rim[1]
    clarity = _rate(blur, (0.003, 0.006, 0.009, 0.012), (10, 8, 6, 4, 1))
    field = _rate(float(np.linalg.norm(exposure.offset)), (0.03, 0.08, 0.11, 0.13), (10, 8, 6, 4, 1))
    spoilt = 0.6 * depth + 0.5 * stray + 0.1 * len(exposure.spots)
    artifact = _rate(spoilt, (0.05, 0.12, 0.40, 0.60, 0.75), (0, 1, 4, 6, 8, 10))
    well_lit = 0.7 < exposure.brightness < 1.2
    return Quality(int(clarity >= 8 and artifact <= 4 and well_lit), clarity, field, artifact)


def take_photograph(
    retina: Retina, middle: NDArray[np.float64], camera: Camera, exposure: Exposure, size: int
) -> tuple[Photograph, Layer]:
    """Photograph a retina.

    Args:
        retina: The painted eye.
        middle: Centre of the field, (2,), in radii of the fundus disc from the fovea.
        camera: The patient's camera.
        exposure: The conditions of this photograph.
        size: Side of the photograph in pixels.

    Returns:
        The photograph, uint8 (size, size, 3) RGB, and its mask, uint8 (size, size) of `LesionKind` and 0.
    """
    fine = painted_side(size)
    look = _look_at(retina, middle + exposure.offset, camera.radius * fine, exposure, fine)
    colour = _shrink(_warp(retina.colour, look, fine), size)
    disc = _disc(camera, size)
    photograph = _develop(_expose(colour, camera, exposure, size), _field(disc, camera), camera, exposure)
    return photograph, _mask(retina, look, disc, fine)


def painted_side(size: int) -> int:
    """Side in pixels at which the retina is painted before it is scaled to `size`."""
    return max(size, min(4 * size, 320))


def lesions_in_view(
    retina: Retina, middle: NDArray[np.float64], camera: Camera, exposure: Exposure
) -> dict[LesionKind, int]:
    """Count the lesions of each kind whose centre is in the fundus disc of a photograph."""
    reach = (1 - camera.flatness) / exposure.zoom, 1 / exposure.zoom
    counts = dict.fromkeys(LesionKind, 0)
    for lesion in retina.disease.lesions:
        x, y = _rotation(exposure.turn).T @ (lesion.centre - middle - exposure.offset)
        counts[lesion.kind] += int(np.hypot(x, y) < reach[1] and abs(y) < reach[0])
    return counts


def _look_at(
    retina: Retina, middle: NDArray[np.float64], radius: float, exposure: Exposure, side: int
) -> NDArray[np.float64]:
    """The (2, 3) matrix from pixels of the photograph to pixels of the canvas."""
    matrix = _rotation(exposure.turn) * retina.canvas.scale / (radius * exposure.zoom)
    centre = retina.canvas.to_pixels(middle[None])[0]
    return np.hstack([matrix, (centre - matrix @ np.full(2, (side - 1) / 2))[:, None]])


def _rotation(turn: float) -> NDArray[np.float64]:
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])


def _warp(plane: NDArray, look: NDArray[np.float64], side: int) -> NDArray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(plane, look, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT)


def _shrink(plane: NDArray, size: int) -> NDArray:
    return plane if len(plane) == size else cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA)


def _disc(camera: Camera, size: int) -> Field:
    """Share of each pixel that the fundus disc covers, without its notch, (size, size), 0-1."""
    x, y = _pixels_from_middle(size)
    radius = camera.radius * size
    inside = np.minimum(radius - np.sqrt(x**2 + y**2), radius * (1 - camera.flatness) - np.abs(y))
    return np.clip(inside + 0.5, 0, 1).astype(np.float32)


def _field(disc: Field, camera: Camera) -> Field:
    """The fundus disc together with its notch."""
    if not camera.notch:
        return disc
    x, y = _pixels_from_middle(len(disc))
    radius = camera.radius * len(disc)
    bump = np.sqrt((x - radius * cos(0.72)) ** 2 + (y + radius * sin(0.72)) ** 2)
    return np.maximum(disc, np.clip(0.03 * radius - bump + 0.5, 0, 1)).astype(np.float32)


def _pixels_from_middle(size: int) -> tuple[Field, Field]:
    axis = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    return axis[None, :], axis[:, None]


def _expose(colour: ColourImage, camera: Camera, exposure: Exposure, size: int) -> ColourImage:
    """Light, lens and focus: (size, size, 3), 1 = white."""
    gain = camera.brightness * exposure.brightness * camera.tint
    light, stray = _light(camera, exposure)
    colour = colour * cv2.resize(light, (size, size), interpolation=cv2.INTER_CUBIC)[..., None]
    colour = colour * gain.astype(np.float32)
    colour += cv2.resize(stray, (size, size), interpolation=cv2.INTER_CUBIC)
    sigma = exposure.blur * camera.radius * size
    return np.asarray(cv2.GaussianBlur(colour, (0, 0), sigma) if sigma > 0.25 else colour, np.float32)


def _light(camera: Camera, exposure: Exposure) -> tuple[Field, ColourImage]:
    """Gain (g, g) of the retina's colour, and the light (g, g, 3) that is added to it, on a coarse grid."""
    axis = (np.arange(_GRID, dtype=np.float32) + 0.5) / _GRID - 0.5
    x, y = np.meshgrid(axis / camera.radius, axis / camera.radius)
    light = (1 - exposure.vignette * np.hypot(x, y) ** 2.5) * (1 + exposure.slope[0] * x + exposure.slope[1] * y)
    light = light * (1 - exposure.shadow[3] * _bump(x, y, exposure.shadow))
    return np.maximum(light * (1 - exposure.haze), 0.02).astype(np.float32), _stray_light(x, y, exposure)


def _stray_light(x: PixelGrid, y: PixelGrid, exposure: Exposure) -> ColourImage:
    """Light that does not come from the retina: at the rim, and from the lens, dust and haze."""
    distance, (angle, strength) = np.hypot(x, y), exposure.rim
    towards = np.clip((x * np.cos(angle) + y * np.sin(angle)) / np.maximum(distance, 0.1), 0, 1) ** 1.5
    rim = strength * towards * np.clip((distance - 0.80) / 0.22, 0, 1.2) ** 2
    rim = rim + 0.10 * np.clip((distance - 0.88) / 0.12, 0, 1) ** 2
    dust = sum((spot[3] * _bump(x, y, spot) for spot in exposure.spots), np.zeros_like(distance))
    reflex = exposure.reflex[3] * _bump(x, y, exposure.reflex)
    tones = (rim, (0.40, 0.42, 0.22)), (dust, (0.9, 0.8, 0.6)), (reflex, (1.0, 0.75, 0.65))
    veil = exposure.haze * np.array([0.42, 0.36, 0.30])
    return sum((field[..., None] * np.array(tone) for field, tone in tones), veil).astype(np.float32)


def _bump(x: PixelGrid, y: PixelGrid, bump: NDArray[np.float64]) -> PixelGrid:
    return np.exp(-((x - bump[0]) ** 2 + (y - bump[1]) ** 2) / bump[2] ** 2)


def _develop(colour: ColourImage, disc: Field, camera: Camera, exposure: Exposure) -> Photograph:
    """Apply saturation, noise, and the black surround."""
    rng = np.random.default_rng(exposure.seed)
    size = len(disc)
    grain = rng.standard_normal((size, size, 3), dtype=np.float32)
    grain += 0.4 * clouds((size, size), max(2, size // 3), rng)[..., None]
    grain *= np.float32(camera.sensor)
    inside, outside = cv2.merge([disc] * 3), cv2.merge([1 - disc] * 3)
    levels = cv2.multiply(_soften_highlights(colour), inside, scale=255) + (1.5 * outside)
    levels += grain * (0.4 + 0.6 * inside)
    return np.clip(np.rint(levels, out=levels), 0, 255, out=levels).astype(np.uint8)


def _soften_highlights(colour: ColourImage) -> ColourImage:
    """Compress levels near white instead of clipping them: x / (1 + x^8)^(1/8)."""
    power = cv2.multiply(colour, colour)
    power = cv2.multiply(power, power)
    power = cv2.sqrt(cv2.sqrt(cv2.sqrt(1 + cv2.multiply(power, power))))
    return np.asarray(cv2.divide(colour, power), np.float32)


def _mask(retina: Retina, look: NDArray[np.float64], disc: Field, fine: int) -> Layer:
    """The kind of lesion that covers most of each pixel, for pixels completely inside the fundus disc."""
    size = len(disc)
    mask, most = np.zeros((size, size), np.uint8), np.full((size, size), 255 * SEEN_FROM, np.float32)
    for kind, layer in sorted(retina.lesions.items()):
        solid = (layer > 60).astype(np.uint8) * np.uint8(255)
        cover = _shrink(_warp(solid, look, fine), size).astype(np.float32)
        here = (cover >= most) & (disc > 0.999)
        mask[here], most = kind, np.maximum(most, cover)
    return mask


def _draw_spots(rng: np.random.Generator) -> NDArray[np.float64]:
    num = int(rng.poisson(0.5))
    positions = rng.uniform(-0.7, 0.7, (num, 2))
    return np.column_stack([positions, rng.uniform(0.04, 0.10, num), rng.uniform(0.04, 0.18, num)])


def _rate(amount: float, limits: tuple[float, ...], ratings: tuple[int, ...]) -> int:
    return ratings[int(np.searchsorted(limits, amount))]
