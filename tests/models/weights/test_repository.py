"""A hub that is asked in its own words: what it gives, what it refuses, and what the cache spares."""

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, hf_hub_download
from reporters import Recorder

from drkit import progress
from drkit.errors import InputError, UsageError
from drkit.models.weights import repository
from drkit.models.weights.repository import HubRepository, LocalRepository, MissingFileError, parse_address

Hub = Any  # of conftest.py
EYES = HubRepository("some/eyes")
FILES = {"config.json": b"{}", "model.safetensors": b"tensors", "folder/a b.pth": b"more"}


@pytest.fixture
def eyes(hub: Hub) -> Hub:
    """The hub with one repository."""
    hub.add("some/eyes", dict(FILES))
    return hub


@pytest.mark.parametrize(
    ("text", "named", "file"),
    [
        ("hf-hub:some/eyes", EYES, ""),
        ("hf_hub:some/eyes", EYES, ""),
        ("HF-Hub:some/eyes", EYES, ""),
        ("hf-hub:some/eyes:a.pth", EYES, "a.pth"),
        ("hf-hub:some/eyes:folder/a b.pth", EYES, "folder/a b.pth"),
        ("hf-hub:some/eyes@v1.0", HubRepository("some/eyes", "v1.0"), ""),
        ("hf-hub:some/eyes@v1.0:a.pth", HubRepository("some/eyes", "v1.0"), "a.pth"),
        ("local-dir:some/eyes", LocalRepository(Path("some/eyes")), ""),
        ("local_dir:/some:where", LocalRepository(Path("/some:where")), ""),
    ],
)
def test_an_address_names_a_repository_and_perhaps_a_file(text: str, named: object, file: str) -> None:
    assert parse_address(text) == (named, file)


@pytest.mark.parametrize(
    "text", ["imagenet", "none", "runs/stage1", "C:\\weights\\a.pth", "resnet18.pth", "hf-hubs:a/b"]
)
def test_other_words_are_no_address(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hf-hub:eyes", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:a/b/c", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:a/b:../../c.pth", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:a/b--c", "is no repository: Cannot have -- or .."),
        ("local-dir:", "expected local-dir:PATH"),
        ("https://huggingface.co/some/eyes/tree/main", "write hf-hub:some/eyes"),
    ],
)
def test_half_an_address_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_address(text)


def test_files_are_listed_and_fetched_once(eyes: Hub) -> None:
    assert EYES.files() == ("config.json", "folder/a b.pth", "model.safetensors")
    reported = Recorder()
    with progress.reporting_to(reported):
        paths = {file: EYES.fetch(file) for file in FILES}
    assert {file: path.read_bytes() for file, path in paths.items()} == FILES
    assert "fetching hf-hub:some/eyes:folder/a b.pth (0.0 MB)" in reported.notices
    asked = len(eyes.asked)
    assert [EYES.fetch(file) for file in FILES] == list(paths.values())
    assert len(eyes.asked) == asked
    assert hf_hub_download("some/eyes", "config.json") == str(paths["config.json"])  # the hub's own cache


def test_nothing_but_drkits_own_words_is_printed(eyes: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    EYES.fetch("model.safetensors")
    with pytest.raises(InputError):
        EYES.fetch("missing.pth")
    assert capfd.readouterr() == ("", "")


def test_a_revision_is_a_branch_or_a_commit(eyes: Hub) -> None:
    commit = eyes.repositories["some/eyes"].commit
    assert HubRepository("some/eyes", commit).fetch("config.json").read_bytes() == b"{}"
    with pytest.raises(InputError, match=r"hf-hub:some/eyes@v9: the repository has no revision 'v9'"):
        HubRepository("some/eyes", "v9").fetch("config.json")


def test_the_token_is_sent_and_not_to_others(eyes: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "good")
    EYES.files()
    EYES.fetch("model.safetensors")
    assert {token for _, path, token in eyes.asked if not path.startswith("/cdn/")} == {"good"}
    assert {token for _, path, token in eyes.asked if path.startswith("/cdn/")} == {""}


@pytest.mark.parametrize(
    ("access", "token", "told"),
    [
        ("gated", "", r"is gated: ask for access on http.*/some/eyes and set HF_TOKEN"),
        ("gated", "stranger", r"is gated: ask for access on http.*/some/eyes with the account of that token"),
        ("private", "", r"does not exist, or is private and HF_TOKEN is not set"),
        ("private", "bad", r"refuses the token \(HF_TOKEN.*not valid"),
        ("missing", "", r"does not exist, or is private and HF_TOKEN is not set"),
        ("private", "stranger", r"does not exist, or is private and HF_TOKEN's account may not read it"),
        ("missing", "good", r"does not exist, or is private and HF_TOKEN's account may not read it"),
    ],
)
@pytest.mark.parametrize("asks", [lambda: EYES.fetch("config.json"), lambda: EYES.files()], ids=["fetch", "list"])
def test_what_is_not_for_everybody_is_refused_in_a_line(
    hub: Hub, access: str, token: str, told: str, asks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if access != "missing":
        hub.add("some/eyes", FILES, access)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    if access == "gated":
        assert EYES.files()  # everybody may see their names
        asks = lambda: EYES.fetch("config.json")  # noqa: E731
    with pytest.raises(InputError, match=told) as refused:
        asks()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("access", ["gated", "private"])
def test_whoever_may_reads_it(hub: Hub, access: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("some/eyes", FILES, access)
    monkeypatch.setenv("HF_TOKEN", "good")
    assert EYES.files()
    assert EYES.fetch("config.json").read_bytes() == b"{}"


def test_a_file_that_is_not_there_is_refused(eyes: Hub) -> None:
    with pytest.raises(MissingFileError, match=r"hf-hub:some/eyes has no file 'a\.pth'"):
        EYES.fetch("a.pth")


@pytest.mark.parametrize("place", ["/api/", "/resolve/"])
def test_a_hub_that_hangs_is_refused_within_five_seconds(eyes: Hub, place: str) -> None:
    eyes.hangs_at, begun = place, time.monotonic()
    with pytest.raises(InputError, match=r"does not answer when asked for hf-hub:some/eyes: (no answer|timed out)"):
        EYES.files() if place == "/api/" else EYES.fetch("config.json")
    assert repository.PATIENCE < 5
    assert time.monotonic() - begun < repository.PATIENCE + 3  # this machine may have other things to do


def test_a_question_that_takes_each_of_its_steps_in_time_is_given_up_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A library's own limit is for one address and one read, and a slow name server has none."""
    monkeypatch.setattr(repository, "PATIENCE", 0.1)
    with pytest.raises(TimeoutError, match="no answer within"):
        repository.answer_in_time(lambda: time.sleep(1))


def test_a_hub_that_is_not_there_is_refused_at_once(eyes: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # of this machine, and answers nobody
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9 does not answer when asked for hf-hub:some/eyes: .*refused"):
        EYES.files()


def test_a_hub_out_of_order_says_so(eyes: Hub) -> None:
    eyes.fails_with = 503
    with pytest.raises(InputError, match=r"answers 503 when asked for hf-hub:some/eyes: try again later"):
        EYES.files()


@pytest.mark.parametrize("asks", [lambda: EYES.fetch("config.json"), lambda: EYES.files()], ids=["fetch", "list"])
def test_a_page_that_stands_between_is_no_hub(eyes: Hub, asks: Any) -> None:
    eyes.fails_with = 200
    with pytest.raises(InputError, match=r"hf-hub:some/eyes as a hub would: check HF_ENDPOINT and"):
        asks()


def test_offline_the_cache_is_all_there_is(eyes: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    path = EYES.fetch("model.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = len(eyes.asked)
    assert EYES.fetch("model.safetensors") == path
    assert EYES.files() == ("model.safetensors",)
    with pytest.raises(InputError, match=r"eyes:config\.json is not in the cache .*HF_HUB_OFFLINE forbids to fetch it"):
        EYES.fetch("config.json")
    with pytest.raises(InputError, match=r"other/eyes is not in the cache .*HF_HUB_OFFLINE forbids"):
        HubRepository("other/eyes").files()
    assert len(eyes.asked) == asked


def test_what_is_in_the_cache_outlives_the_hub(eyes: Hub) -> None:
    EYES.fetch("folder/a b.pth")
    eyes.fails_with = 500
    assert EYES.files() == ("folder/a b.pth",)
    assert EYES.fetch("folder/a b.pth").read_bytes() == b"more"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_to_is_named(eyes: Hub) -> None:
    cache = Path(constants.HF_HUB_CACHE)
    cache.mkdir()
    cache.chmod(0o500)
    with pytest.raises(InputError, match=r"cannot be kept in .*hub-cache.*set HF_HOME"):
        EYES.fetch("config.json")


def test_a_full_disk_is_named(eyes: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(repository, "hf_hub_download", full)
    with pytest.raises(InputError, match=r"eyes:config\.json cannot be kept in .* \(No space left on device\)"):
        EYES.fetch("config.json")


def test_a_folder_is_a_repository_too(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    local = LocalRepository(tmp_path)
    assert local.files() == tuple(sorted(FILES))
    assert local.fetch("config.json").read_bytes() == b"{}"
    with pytest.raises(MissingFileError, match=r"has no file 'a\.pth'"):
        local.fetch("a.pth")
    with pytest.raises(InputError, match="is no folder"):
        LocalRepository(tmp_path / "nothing").files()
