"""Steps are parsed, written, refused, planned and applied."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drkit.catalogue import FILTERS
from drkit.errors import UsageError
from drkit.images.files import Photograph
from drkit.images.filters import apply_steps, parse_steps
from drkit.images.filters.preview import draw_contact_sheet
from drkit.images.filters.steps import follow_steps, frame_photograph, plan_steps, stages


@st.composite
def typed_steps(draw: st.DrawFn) -> str:
    words = []
    for name in draw(st.lists(st.sampled_from(sorted(FILTERS)), min_size=1, max_size=4)):
        settings = [
            f"{key}={draw(st.integers(int(p.low), int(p.high)) if p.is_whole else st.floats(p.low, p.high))}"
            for key, p in FILTERS[name].parameters.items()
            if draw(st.booleans())
        ]
        words.append(":".join([name, *settings]))
    return ",".join(words)


@given(typed_steps())
def test_written_steps_are_parsed_back_unchanged(text: str) -> None:
    steps = parse_steps(text)

    assert parse_steps(",".join(map(str, steps))) == steps
    assert [step.name for step in steps] == [word.split(":")[0] for word in text.split(",")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("circle-corp", "did you mean circle-crop"),
        ("clahe:clop=2", "did you mean clip"),
        ("clahe:clip", "clip needs a value: write clahe:clip=2"),
        ("clahe:clip=much", "clip=much: expected a number from 0.1 to 40"),
        ("clahe:clip=nan", "clip=nan"),
        ("clahe:tiles=2.5", "tiles=2.5: expected a whole number from 1 to 64"),
        ("blur:sigma=1000", "sigma=1000: expected a number from 0.1 to 100"),
        ("clahe:clip=1:clip=2", "clip is given twice"),
        ("green:amount=1", "it takes no parameters"),
        ("clahe,,blur", "a step is missing"),
        ("", "a step is missing"),
    ],
)
def test_an_error_message_says_what_to_do(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_steps(text)


@pytest.mark.parametrize(
    ("typed", "size", "planned"),
    [
        ("clahe", None, "resize,clahe"),
        ("circle-crop,clahe", 256, "circle-crop,resize:size=256,clahe"),
        ("clahe,circle-crop,blur", None, "clahe,circle-crop,resize,blur"),
        ("ben-graham:radius=300,blur", None, "ben-graham:radius=300,resize,blur"),
        ("ben-graham", None, "resize,ben-graham"),
        ("resize:size=64,clahe", None, "resize:size=64,clahe"),
        ("resize:size=64,clahe", 32, "resize:size=64,resize:size=32,clahe"),
    ],
)
def test_the_resize_is_inserted_after_the_last_crop(typed: str, size: int | None, planned: str) -> None:
    assert plan_steps(parse_steps(typed), size, 512) == parse_steps(planned)


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_every_step_takes_its_defaults_and_gives_a_photograph(
    name: str, draw_fundus: Callable[..., Photograph]
) -> None:
    photograph = draw_fundus()
    kept = photograph.copy()
    filtered = apply_steps(photograph, [str(step) for step in parse_steps(name)])

    assert filtered.dtype == np.uint8
    assert filtered.shape[2] == 3
    assert np.array_equal(photograph, kept)  # filters never write into what they are given


def test_steps_in_two_parts_are_the_steps_in_one(draw_fundus: Callable[..., Photograph]) -> None:
    steps = parse_steps("circle-crop,resize:size=200,ben-graham,clahe,sharpen")
    start, reason = frame_photograph(draw_fundus())
    in_two = follow_steps(follow_steps(start, steps[:3]), steps[3:])

    assert reason == ""
    assert np.array_equal(apply_steps(draw_fundus(), [str(step) for step in steps]), in_two.photograph)


def test_order_matters_and_no_step_does_nothing(draw_fundus: Callable[..., Photograph]) -> None:
    photograph = draw_fundus()
    one, other = (
        ("resize:size=128", "gamma:gamma=2", "blur:sigma=4"),
        ("resize:size=128", "blur:sigma=4", "gamma:gamma=2"),
    )

    assert not np.array_equal(apply_steps(photograph, one), apply_steps(photograph, other))
    assert apply_steps(photograph, ()) is photograph


def test_a_contact_sheet_has_a_tile_a_step_and_a_row_a_photograph(draw_fundus: Callable[..., Photograph]) -> None:
    steps = parse_steps("circle-crop,green")
    rows = [("one", draw_fundus()), ("two", draw_fundus(surround=255))]
    sheet, half = draw_contact_sheet(rows, steps), draw_contact_sheet(rows[:1], steps)

    assert len(list(stages(draw_fundus(), steps))) == 3
    assert sheet.shape[1] == half.shape[1] == 3 * 262
    assert np.array_equal(sheet[: half.shape[0]], half)
    green_tile = half[-262 - 18 : -18 - 6, 2 * 262 : 3 * 262 - 6]
    assert np.array_equal(green_tile[..., 0], green_tile[..., 1])
    assert green_tile.std() > 10


def test_a_step_that_changes_nothing_visible_has_no_column(draw_fundus: Callable[..., Photograph]) -> None:
    rows = [("one", draw_fundus()), ("two", draw_fundus(surround=255))]
    shown = draw_contact_sheet(rows, parse_steps("circle-crop,green"))
    with_hidden = draw_contact_sheet(rows, parse_steps("circle-crop,green,gamma:gamma=1,resize:size=256"))

    assert with_hidden.shape[1] == shown.shape[1] == 3 * 262
    tiles = 2 * (262 + 18)  # pixels of two rows and their captions
    assert np.array_equal(with_hidden[-tiles:], shown[-tiles:])
    head = with_hidden[:-tiles]
    assert head.shape[0] > shown[:-tiles].shape[0]
    inked = [(head[:, 262 * column : 262 * (column + 1)] < 128).any(1).sum() for column in range(3)]
    assert inked[2] > 2 * inked[1]  # the last column's heading names the hidden steps too


def test_a_step_that_changes_one_photograph_has_a_column(draw_fundus: Callable[..., Photograph]) -> None:
    black, white = draw_fundus(), draw_fundus(surround=255)
    steps = parse_steps("circle-crop")
    unchanged = next(iter(reversed(list(stages(black, steps)))))

    assert draw_contact_sheet([("black", unchanged)], steps).shape[1] < 2 * 262
    assert draw_contact_sheet([("black", unchanged), ("white", white)], steps).shape[1] == 2 * 262
