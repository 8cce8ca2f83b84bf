"""Policies by name and from TOML files."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drkit.catalogue import POLICIES
from drkit.data.augmentation import MEDIUM, NONE, STRONG, Policy, describe_policy, load_policy, policy_record
from drkit.data.augmentation.policy import LIMITS
from drkit.data.augmentation.policy_files import KEYS
from drkit.errors import InputError, UsageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


@pytest.mark.parametrize("name", POLICIES)
def test_a_name_gives_the_catalogues_policy(name: str) -> None:
    assert load_policy(name) == POLICIES[name].load()


def test_a_file_changes_what_it_names_and_keeps_the_rest_of_its_base(toml: Path) -> None:
    toml.write_text('base = "medium"\nturn = 20\nflip = false\nblur = 0.01\n', encoding="utf-8")
    assert load_policy(str(toml)) == replace(MEDIUM, turn=20.0, flip=False, blur=0.01)


def test_a_file_without_base_starts_from_none(toml: Path) -> None:
    toml.write_text("# only flips\nflip = true\n", encoding="utf-8-sig")
    assert load_policy(str(toml)) == Policy(flip=True)


@given(
    st.fixed_dictionaries({}, optional={key: st.floats(low, high) for key, (low, high) in LIMITS.items()}),
    st.booleans(),
)
def test_writing_and_reading_a_policy_is_identity(tmp_path_factory: pytest.TempPathFactory, numbers, flip) -> None:
    policy = Policy(**numbers, flip=flip)
    if policy.brightness > policy.brightness_middle:
        policy = replace(policy, brightness=policy.brightness_middle)
    path = tmp_path_factory.mktemp("policies") / "written.TOML"
    path.write_text(
        "".join(f"{key} = {str(value).lower()}\n" for key, value in asdict(policy).items()), encoding="utf-8"
    )
    assert load_policy(str(path)) == policy


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("trun = 3", "mine.toml trun: unknown key, did you mean turn"),
        ("[colour]\nbrightness = 0.1", "mine.toml colour: unknown key"),
        ("turn = 200", "mine.toml turn: 200 is not valid: expected a number from 0 to 180"),
        ("turn = -1", "a number from 0 to 180"),
        ("turn = nan", "turn: nan is not valid"),
        ('turn = "20"', "turn: '20' is not valid: expected a number"),
        ("turn = true", "turn: True is not valid: expected a number"),
        ("flip = 1", "flip: 1 is not valid: expected true or false"),
        ('base = "mediun"', "mine.toml base: 'mediun' is not a policy of drkit: did you mean medium"),
        ("base = 3", "base: 3 is not a policy of drkit: expected one of none, light"),
        ('base = "other.toml"', "'other.toml' is not a policy"),
        ("brightness_middle = 0.5\nbrightness = 0.6", "brightness: 0.6 is larger than brightness_middle (0.5)"),
        ("turn = ", "mine.toml is not valid TOML: "),
        ("turn = 1\nturn = 2", "is not valid TOML"),
    ],
)
def test_an_invalid_file_is_refused_with_its_path_the_key_and_the_expected_value(
    toml: Path, content: str, sentence: str
) -> None:
    toml.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        load_policy(str(toml))
    assert sentence in str(refused.value)
    assert str(toml) in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(toml: Path) -> None:
    with pytest.raises(InputError, match=r"mine\.toml cannot be read: No such file"):
        load_policy(str(toml))
    toml.write_bytes(b"turn = 3 # \xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        load_policy(str(toml))


def test_an_unknown_name_lists_the_near_ones() -> None:
    with pytest.raises(UsageError, match=r"'mediun': did you mean medium\? .* \.toml"):
        load_policy("mediun")


def test_a_record_has_every_number_and_differs_between_policies() -> None:
    assert set(policy_record(STRONG)) == set(KEYS)
    assert Policy(**policy_record(STRONG)) == STRONG
    assert policy_record(MEDIUM) != policy_record(replace(MEDIUM, turn=179.0))


def test_a_description_names_what_changes_and_nothing_else() -> None:
    assert describe_policy(NONE) == "nothing"
    assert describe_policy(Policy(turn=15, flip=True)) == "turn=15 flip"


def test_the_page_explains_every_key_and_every_policy() -> None:
    page = (ROOT / "docs" / "augmentation.md").read_text(encoding="utf-8")
    assert [word for word in (*KEYS, *POLICIES, "base") if f"`{word}`" not in page] == []
