"""The fundus disc is found on any surround, also if it is cut, squashed or dark, and is cropped to a square."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drkit.images.disc import NoDiscError, find_disc, find_disc_box, square_about_disc
from drkit.images.files import Photograph, decode_photograph, encode_photograph, read_photograph

DrawFundus = Callable[..., Photograph]
EDGE = 2.5  # pixels by which an edge may be missed: the search copy is smaller than the photograph


@pytest.mark.parametrize("surround", [0, 255, 128])
def test_the_disc_is_found_on_any_surround(draw_fundus: DrawFundus, surround: int) -> None:
    disc = find_disc(draw_fundus(surround=surround, centre=(180, 140)))

    assert (disc.x, disc.y) == pytest.approx((180, 140), abs=1)
    assert (disc.radius_x, disc.radius_y) == pytest.approx((120, 120), abs=EDGE)
    assert disc.box.edges == pytest.approx((60, 20, 300, 260), abs=EDGE)


def test_a_dark_photograph_has_the_same_disc(draw_fundus: DrawFundus) -> None:
    bright, dark = find_disc(draw_fundus()), find_disc(draw_fundus(brightness=0.12))

    assert (dark.x, dark.y, dark.radius_x) == pytest.approx((bright.x, bright.y, bright.radius_x), abs=EDGE)


def test_a_disc_cut_at_top_and_bottom_keeps_its_radius(draw_fundus: DrawFundus) -> None:
    disc = find_disc(draw_fundus(height=200, centre=(200, 100), radii=(150, 150)))

    assert (disc.x, disc.y, disc.radius_x) == pytest.approx((200, 100, 150), abs=EDGE)
    assert disc.box.edges == pytest.approx((50, 0, 350, 200), abs=EDGE)


def test_a_straight_cut_inside_the_photograph_bounds_the_box(draw_fundus: DrawFundus) -> None:
    photograph = draw_fundus()
    photograph[:60] = photograph[230:] = 0
    disc = find_disc(photograph)

    assert disc.radius_y == pytest.approx(120, abs=EDGE)
    assert (disc.box.top, disc.box.bottom) == pytest.approx((60, 230), abs=EDGE)
    assert not disc.mask(300, 400)[:57].any()


def test_a_squashed_disc_has_two_radii(draw_fundus: DrawFundus) -> None:
    disc = find_disc(draw_fundus(radii=(130, 110)))

    assert (disc.radius_x, disc.radius_y) == pytest.approx((130, 110), abs=EDGE)
    assert disc.radius == disc.radius_x


def test_text_and_a_notch_beside_the_disc_do_not_matter(draw_fundus: DrawFundus) -> None:
    photograph = draw_fundus()
    photograph[5:15, 5:60] = 230
    photograph[60:72, 280:300] = 150
    disc = find_disc(photograph)

    assert (disc.x, disc.y, disc.radius_x) == pytest.approx((200, 150, 120), abs=EDGE)


def test_scaling_the_photograph_scales_the_disc(draw_fundus: DrawFundus) -> None:
    small = find_disc(draw_fundus())
    large = find_disc(draw_fundus(900, 1200, (600, 450), (360, 360)))

    assert (large.x, large.y) == pytest.approx((3 * small.x, 3 * small.y), abs=3)
    assert large.radius_x == pytest.approx(3 * small.radius_x, rel=0.02)


@pytest.mark.parametrize(
    ("photograph", "reason"),
    [
        (np.zeros((64, 64, 3), np.uint8), "nothing differs"),
        (np.full((64, 64, 3), 200, np.uint8), "nothing differs"),
        (np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8), "edge|round|plausible"),
    ],
)
def test_a_photograph_without_a_disc_is_reported_and_used_completely(photograph: Photograph, reason: str) -> None:
    with pytest.raises(NoDiscError, match=reason):
        find_disc(photograph)
    side = photograph.shape[0]
    assert find_disc_box(photograph).edges == (0, 0, side, side)


def test_a_square_of_retina_is_no_disc(draw_fundus: DrawFundus) -> None:
    photograph = np.zeros((200, 200, 3), np.uint8)
    photograph[30:170, 30:170] = draw_fundus()[80:220, 130:270]

    with pytest.raises(NoDiscError):
        find_disc(photograph)
    assert find_disc_box(photograph).edges == (30, 30, 170, 170)


@pytest.mark.parametrize("shape", [{}, {"height": 200, "centre": (200, 100), "radii": (150, 150)}, {"surround": 255}])
def test_squaring_twice_is_squaring_once(draw_fundus: DrawFundus, shape: dict[str, object]) -> None:
    once = square_about_disc(draw_fundus(**shape), 224)

    assert once.shape == (224, 224, 3)
    assert np.array_equal(square_about_disc(once, 224), once)


@pytest.mark.parametrize("radii", [(130, 110), (95, 143), (110, 104)])
def test_a_squashed_disc_is_made_round_in_the_square(draw_fundus: DrawFundus, radii: tuple[int, int]) -> None:
    squashed = draw_fundus(radii=radii)
    squared = square_about_disc(squashed, 224, round_disc=True)
    disc = find_disc(squared)
    round_one = square_about_disc(draw_fundus(radii=(120, 120)), 224).astype(int)
    left_alone = square_about_disc(squashed, 224)

    assert (disc.radius_x, disc.radius_y) == pytest.approx((112, 112), abs=EDGE)
    assert np.abs(squared - round_one).mean() < 3 < np.abs(left_alone - round_one).mean()
    assert np.array_equal(square_about_disc(squared, 224, round_disc=True), squared)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"height": 200, "centre": (200, 100), "radii": (150, 150)},  # cut at top and bottom
        {"width": 200, "centre": (100, 150), "radii": (130, 130)},  # at both sides
        {"width": 220, "height": 190, "centre": (100, 100), "radii": (130, 130)},  # at three
        {"radii": (121, 119)},
    ],
)
def test_a_cut_or_nearly_round_disc_is_not_squashed(draw_fundus: DrawFundus, shape: dict[str, object]) -> None:
    photograph = draw_fundus(**shape)

    assert np.array_equal(square_about_disc(photograph, 224, round_disc=True), square_about_disc(photograph, 224))


def test_a_cut_squashed_disc_keeps_its_proportions(draw_fundus: DrawFundus) -> None:
    """As APTOS has them: 3:2 photographs, cut at top and bottom, squashed to a square."""
    photograph = draw_fundus(224, 224, (112, 112), (100, 150))
    disc = find_disc(photograph)
    squared = square_about_disc(photograph, 200, round_disc=True)

    assert disc.radius_y / disc.radius_x == pytest.approx(1.5, rel=0.02)
    assert find_disc(squared).stretch == (1, 1)
    assert find_disc_box(squared).edges == pytest.approx((0, 25, 200, 175), abs=3)


def test_real_squashed_photographs_become_round(shared_data: Path) -> None:
    folder = shared_data / "APTOS2019" / "train_images"
    paths = sorted(folder.rglob("*.*"))[::100]
    discs = []
    for path in paths:
        try:
            discs.append(find_disc(square_about_disc(read_photograph(path), 256, round_disc=True)))
        except NoDiscError:
            continue

    assert len(discs) > 0.9 * len(paths)
    assert sum(disc.stretch == (1, 1) for disc in discs) > 0.95 * len(discs)


def test_real_photographs_have_discs(shared_data: Path) -> None:
    names = ["27/27_l1", "96/96_l2", "120/120_r2", "1/1_l1", "80/80_l2"]  # three white and squashed, one dark
    photographs = [read_photograph(shared_data / "DeepDRiD" / "train" / f"{name}.jpg") for name in names]
    discs = [find_disc(photograph) for photograph in photographs]

    assert [disc.radius_x / disc.radius_y for disc in discs[:3]] == pytest.approx([0.77] * 3, abs=0.02)
    assert all(abs(disc.x - 256) < 6 and abs(disc.y - 256) < 6 for disc in discs)
    squared = [square_about_disc(photograph, 256) for photograph in photographs]
    again = [decode_photograph(encode_photograph(square, ".jpg"), "square") for square in squared]
    assert all(np.array_equal(square_about_disc(square, 256), square) for square in again)
