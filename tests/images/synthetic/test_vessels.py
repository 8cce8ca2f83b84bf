"""The vascular tree branches, tapers and spares the fovea."""

import numpy as np
import pytest

from drkit.grades import Eye
from drkit.images.synthetic.anatomy import AVASCULAR_RADIUS, Anatomy, draw_anatomy, draw_constitution
from drkit.images.synthetic.vessels import Vessel, bead_veins, grow_vessels


def grow(seed: int, eye: Eye = "left") -> tuple[Anatomy, list[Vessel]]:
    rng = np.random.default_rng(seed)
    anatomy = draw_anatomy(eye, draw_constitution(rng), rng)
    return anatomy, grow_vessels(anatomy, rng)


@pytest.mark.parametrize("seed", range(5))
def test_vessels_taper_and_spare_the_fovea(seed: int) -> None:
    _, vessels = grow(seed)

    assert len(vessels) > 40
    for vessel in vessels:
        assert (np.diff(vessel.widths) < 0).all()
        assert np.linalg.norm(vessel.points, axis=1).min() >= AVASCULAR_RADIUS


@pytest.mark.parametrize("seed", range(5))
def test_every_vessel_begins_at_the_optic_disc_or_on_a_wider_one_of_its_kind(seed: int) -> None:
    anatomy, vessels = grow(seed)

    for vessel in vessels:
        at_disc = np.linalg.norm(vessel.points[0] - anatomy.optic_disc) < anatomy.body.disc_radius
        parents = [v for v in vessels if v.vein == vessel.vein and v.widths[0] > vessel.widths[0]]
        branches = any((np.abs(v.points - vessel.points[0]).max(axis=1) < 1e-9).any() for v in parents)
        assert at_disc or branches


def test_veins_are_wider_than_arteries() -> None:
    _, vessels = grow(1)
    widest = {vein: max(v.widths[0] for v in vessels if v.vein == vein) for vein in (True, False)}

    assert widest[True] > 1.15 * widest[False]


@pytest.mark.parametrize(("eye", "side"), [("left", -1), ("right", 1)])
def test_the_optic_disc_lies_left_of_the_fovea_in_left_eyes(eye: Eye, side: int) -> None:
    for seed in range(10):
        anatomy, _ = grow(seed, eye)
        assert 0.6 < side * anatomy.optic_disc[0] < 0.8


def test_the_outline_of_a_straight_vessel_is_as_wide_as_the_vessel() -> None:
    points = np.stack([np.linspace(0, 1, 11), np.zeros(11)], axis=1)
    outline = Vessel(points, np.linspace(0.2, 0.1, 11), vein=True, half=1).outline()

    np.testing.assert_allclose(outline[:11, 1] - outline[::-1][:11, 1], np.linspace(0.2, 0.1, 11))
    np.testing.assert_allclose(outline[:11, 0], points[:, 0])


def test_beading_swells_and_narrows_wide_veins_only() -> None:
    _, vessels = grow(2)
    beaded = bead_veins(vessels, 0.5, np.random.default_rng(0))

    assert bead_veins(vessels, 0.0, np.random.default_rng(0)) == vessels
    changed = [v for v, b in zip(vessels, beaded, strict=True) if not np.array_equal(v.widths, b.widths)]
    assert changed
    assert all(v.vein for v in changed)
    assert any((np.diff(b.widths) > 0).any() for b in beaded)
