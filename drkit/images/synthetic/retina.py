"""Paint one eye: pigment, optic disc, vessels and lesions, as reflected light."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import starmap

import cv2
import numpy as np

from drkit.images.synthetic.anatomy import Anatomy
from drkit.images.synthetic.canvas import Canvas, ColourImage, Field, Layer, clouds, step_down
from drkit.images.synthetic.lesions import Disease, LesionKind
from drkit.images.synthetic.vessels import Vessel

RGB = tuple[float, float, float]
Planes = list[Field]  # red, green, blue, each (h, w): one plane at a time is several times faster than (h, w, 3)

# How much red, green and blue light a full layer takes away, as optical density.
_VEIN: RGB = (0.34, 0.78, 0.62)
_ARTERY: RGB = (0.13, 0.56, 0.48)
_BLOOD: RGB = (0.55, 1.45, 1.15)
_FRESH: RGB = (0.30, 1.10, 1.00)
_SOFTNESS = {LesionKind.COTTON_WOOL_SPOT: 0.018, LesionKind.HAEMORRHAGE: 0.006}  # else 0.003 radii


@dataclass(frozen=True)
class Retina:
    """One painted eye.

    Args:
        canvas: Mapping from the retina to pixels.
        colour: (h, w, 3) RGB reflectance, without the effects of light, lens and sensor.
        lesions: Layer of each kind of lesion that the eye has.
        disease: The painted lesions.
    """

    canvas: Canvas
    colour: ColourImage
    lesions: Mapping[LesionKind, Layer]
    disease: Disease


def paint_retina(
    anatomy: Anatomy, vessels: list[Vessel], disease: Disease, scale: float, rng: np.random.Generator
) -> Retina:
    """Paint an eye at `scale` pixels per radius of the fundus disc."""
    canvas = Canvas(anatomy.optic_disc / 2, scale)
    layers = _lesion_layers(canvas, disease)
    planes = _paint_ground(canvas, anatomy, rng)
    _paint_optic_disc(planes, canvas, anatomy)
    _paint_bright_lesions(planes, canvas, anatomy, layers)
    _paint_vessels(planes, canvas, vessels, anatomy.body.blood)
    _paint_blood(planes, canvas, layers)
    return Retina(canvas, np.asarray(cv2.merge(planes), np.float32), layers, disease)


def _lesion_layers(canvas: Canvas, disease: Disease) -> dict[LesionKind, Layer]:
    layers: dict[LesionKind, Layer] = {}
    for lesion in disease.lesions:
        layer = layers.setdefault(lesion.kind, canvas.blank())
        for outline in lesion.outlines:
            canvas.fill(layer, outline, round(255 * lesion.strength))
    return layers


def _paint_ground(canvas: Canvas, anatomy: Anatomy, rng: np.random.Generator) -> Planes:
    """Pigment epithelium, the choroid behind it, the dark macula and the fovea's reflex.

    Nothing here is sharp: it is painted at half the canvas' resolution.
    """
    coarse = canvas.coarser(2)
    fovea = coarse.distance_from(np.zeros(2))
    texture = 0.035 * clouds(coarse.shape, 5, rng) + 0.025 * clouds(coarse.shape, 16, rng)
    texture += 0.020 * clouds(coarse.shape, 90, rng)
    macula = anatomy.macula * cv2.exp(-((fovea / 0.20) ** 2)) + 0.25 * cv2.exp(-((fovea / 0.055) ** 2))
    choroid = np.maximum(1 - 2 * np.abs(clouds(coarse.shape, 17, rng)), 0)  # ridges, as of wide vessels
    choroid *= np.clip(fovea / 0.5, 0, 1) * anatomy.body.tessellation
    reflex = 0.25 * cv2.exp(-((fovea / 0.012) ** 2))
    shares = zip(anatomy.body.pigment, (0.8, 1.1, 1.2), (0.8, 1.2, 1.2), (-0.05, 0.14, 0.16), strict=True)
    grounds = [
        float(pigment) * cv2.exp(np.asarray(t * texture - m * macula - c * choroid, np.float32)) + 0.5 * reflex
        for pigment, m, t, c in shares
    ]
    return list(starmap(_enlarge, ((ground, canvas.shape) for ground in grounds)))


def _paint_optic_disc(planes: Planes, canvas: Canvas, anatomy: Anatomy) -> None:
    """A pale oval with its cup, the crescent beside it and the sheen of the nerve fibres around it."""
    radius, centre = anatomy.body.disc_radius, anatomy.optic_disc
    temporal = np.array([-anatomy.side * radius, 0.0])
    here = canvas.window(centre, 5 * radius)
    disc = canvas.distance_from(centre, anatomy.aspect)[here]
    crescent = canvas.distance_from(centre + 0.16 * temporal, anatomy.aspect)[here]
    cup = canvas.distance_from(centre + 0.10 * temporal, anatomy.aspect)[here]
    window = [plane[here] for plane in planes]
    _veil(window, 0.14 * cv2.exp(-((disc / (2.2 * radius)) ** 2)), (1.0, 0.85, 0.55))
    _veil(window, 0.5 * anatomy.crescent * step_down(crescent, 1.05 * radius, 0.03), (0.98, 0.86, 0.66))
    _veil(window, 0.85 * step_down(disc, radius, 0.035), (1.0, 0.72, 0.36))
    _veil(window, 0.80 * step_down(cup, radius * anatomy.body.cup_ratio, 0.05), (1.08, 0.98, 0.70))


def _paint_bright_lesions(planes: Planes, canvas: Canvas, anatomy: Anatomy, layers: Mapping[LesionKind, Layer]) -> None:
    """Hard exudates and cotton-wool spots, brighter than the retina they lie in."""
    around = 0.45 + 0.55 * float(anatomy.body.pigment.mean())  # lesions of a dark retina are darker
    if LesionKind.COTTON_WOOL_SPOT in layers:
        wool = 0.85 * _soft(canvas, layers, LesionKind.COTTON_WOOL_SPOT)
        _veil(planes, wool, (1.10 * around, 1.00 * around, 0.80 * around))
    if LesionKind.HARD_EXUDATE in layers:
        fat = 0.95 * _soft(canvas, layers, LesionKind.HARD_EXUDATE)
        _veil(planes, fat, (1.35 * around, 1.15 * around, 0.50 * around))


def _paint_vessels(planes: Planes, canvas: Canvas, vessels: list[Vessel], blood: float) -> None:
    """Paint arteries and veins; thin vessels are paler, and arteries have a bright central line."""
    veins, arteries = canvas.blank(), canvas.blank()
    widest = max(float(vessel.widths[0]) for vessel in vessels)
    for vessel in vessels:  # thinnest first
        value = round(255 * min(1.0, 0.25 + 0.9 * float(vessel.widths[0]) / widest))
        canvas.fill(veins if vessel.vein else arteries, vessel.outline(), value)
        if not vessel.vein and vessel.widths[0] > 0.4 * widest:
            core = Vessel(vessel.points, vessel.widths * 0.28, vein=False, half=vessel.half)
            canvas.fill(arteries, core.outline(), round(0.55 * value))
    dark, red = blood * canvas.soften(veins, 0.004), blood * canvas.soften(arteries, 0.004)
    for plane, vein, artery in zip(planes, _VEIN, _ARTERY, strict=True):
        plane *= cv2.exp(-cv2.max(vein * dark, artery * red))


def _paint_blood(planes: Planes, canvas: Canvas, layers: Mapping[LesionKind, Layer]) -> None:
    """Haemorrhages, microaneurysms and new vessels."""
    tones = {
        LesionKind.HAEMORRHAGE: _BLOOD,
        LesionKind.MICROANEURYSM: _BLOOD,
        LesionKind.NEW_VESSELS: _FRESH,
    }
    for kind, tone in tones.items():
        if kind in layers:
            blood = _soft(canvas, layers, kind)
            for plane, density in zip(planes, tone, strict=True):
                plane *= cv2.exp(-density * blood)


def _soft(canvas: Canvas, layers: Mapping[LesionKind, Layer], kind: LesionKind) -> Field:
    return canvas.soften(layers[kind], _SOFTNESS.get(kind, 0.003))


def _enlarge(field: Field, shape: tuple[int, int]) -> Field:
    return np.asarray(cv2.resize(field, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _veil(planes: Planes, share: Field, tone: RGB) -> None:
    """Blend a share of each pixel with a tone, in place."""
    for plane, level in zip(planes, tone, strict=True):
        plane += share * (np.float32(level) - plane)
