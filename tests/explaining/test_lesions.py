"""Masks are found by name and cropped like the photograph, and the measures on them."""

from pathlib import Path

import numpy as np
import pytest

from drkit.errors import InputError, UsageError
from drkit.explaining.lesions import choose_lesions, find_masks, mass_inside, points_at, read_mask
from drkit.images.disc import Box, square_about_disc, square_frame
from drkit.images.files import encode_photograph


def _write(path: Path, mask: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.repeat(mask[..., None], 3, axis=2).astype(np.uint8)
    path.write_bytes(encode_photograph(pixels, path.suffix))
    return path


def test_masks_are_found_under_all_their_names(tmp_path: Path) -> None:
    empty = np.zeros((20, 20))
    for name in ("1_l1.png", "1_l1_EX.tif", "haemorrhages/1_l1_HE.tif", "haemorrhages/2_r1.png", "1_l10.png", "x.png"):
        _write(tmp_path / name, empty)
    (tmp_path / "readme.txt").write_text("")
    found = find_masks(tmp_path, ["1_l1", "2_r1", "3_l1"])
    names = {
        patient: {kind: [path.name for path in paths] for kind, paths in kinds.items()}
        for patient, kinds in found.items()
    }
    assert names == {
        "1_l1": {"lesion": ["1_l1.png"], "EX": ["1_l1_EX.tif"], "haemorrhages": ["1_l1_HE.tif"]},
        "2_r1": {"haemorrhages": ["2_r1.png"]},
    }


def test_the_longest_id_owns_a_mask(tmp_path: Path) -> None:
    _write(tmp_path / "eye_2_EX.png", np.zeros((20, 20)))
    assert list(find_masks(tmp_path, ["eye", "eye_2"])) == ["eye_2"]


def test_a_folder_without_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no mask of any of the 1 photographs: .* a_haemorrhages\.png"):
        find_masks(tmp_path, ["a"])
    with pytest.raises(InputError, match="is not a folder"):
        find_masks(tmp_path / "x", ["a"])


@pytest.mark.parametrize("radius_x", [50, 70])
def test_a_mask_is_cut_as_its_photograph(tmp_path: Path, radius_x: int) -> None:
    """The mask of a spot is where the spot is in the square, also if the disc is made round."""
    rows, columns = np.mgrid[:120, :200]
    disc = ((columns - 100) / radius_x) ** 2 + ((rows - 60) / 50) ** 2 < 1
    spot = (columns - 120) ** 2 + (rows - 40) ** 2 < 8**2
    photograph = np.where(disc[..., None], np.array([120, 60, 30]), 0).astype(np.uint8)
    photograph[spot] = (250, 250, 90)
    path = _write(tmp_path / "a.png", spot * 3)
    mask = read_mask([path], (120, 200), square_frame(photograph, round_disc=True), 100)
    shown = square_about_disc(photograph, 100, round_disc=True)[..., 0] > 200
    assert (mask & shown).sum() / (mask | shown).sum() > 0.75  # pixels that it touches belong to it


def test_several_masks_are_joined_and_wrong_sizes_refused(tmp_path: Path) -> None:
    left, right = np.zeros((20, 20)), np.zeros((20, 20))
    left[:, :10], right[:, 10:] = 255, 1  # half of it each: as much as may be marked
    paths = [_write(tmp_path / "a_1.png", left), _write(tmp_path / "a_2.png", right)]
    assert read_mask(paths, (20, 20), Box(0, 0, 20, 20), 20).all()
    with pytest.raises(InputError, match="20 x 20 pixels, but its photograph 30 x 40"):
        read_mask(paths, (40, 30), Box(0, 0, 20, 20), 20)


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jpg", np.full((20, 20), 90))
    with pytest.raises(InputError, match="marks 100% of its photograph"):
        read_mask([path], (20, 20), Box(0, 0, 20, 20), 20)


def test_pointing_and_mass_by_hand() -> None:
    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    mask = np.array([[False, False], [True, False]])
    assert points_at(weights, mask) == 0
    assert points_at(weights, ~mask) == 1
    assert mass_inside(weights, mask) == pytest.approx(0.3)
    assert np.isnan(points_at(0 * weights, mask))
    assert np.isnan(mass_inside(0 * weights, mask))


def test_the_optic_disc_is_no_lesion_unless_it_is_named() -> None:
    kinds = ("1. Microaneurysms", "3. Hard Exudates", "5. Optic Disc", "OD")
    masks = {"a": {kind: [Path("a.png")] for kind in kinds}}
    assert choose_lesions(masks) == {"1. Microaneurysms", "3. Hard Exudates"}
    assert choose_lesions(masks, ("hard", "optic")) == {"3. Hard Exudates", "5. Optic Disc"}
    with pytest.raises(UsageError, match=r"--lesion-kinds soft: there are masks of 1\. Microaneurysms, 3\. Hard"):
        choose_lesions(masks, ("soft",))
