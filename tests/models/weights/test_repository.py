"""Repositories on the hub and in folders: access, errors and the cache."""

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
def test_other_text_is_not_an_address(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hf-hub:eyes", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:a/b/c", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:a/b:../../c.pth", "expected hf-hub:OWNER/NAME"),
        ("hf-hub:a/b--c", "is not a repository: Cannot have -- or .."),
        ("local-dir:", "expected local-dir:PATH"),
        ("https://huggingface.co/some/eyes/tree/main", "write hf-hub:some/eyes"),
    ],
)
def test_an_incomplete_address_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_address(text)


def test_files_are_listed_and_fetched_once(eyes: Hub) -> None:
    assert EYES.files() == ("config.json", "folder/a b.pth", "model.safetensors")
    reported = Recorder()
    with progress.reporting_to(reported):
        paths = {file: EYES.fetch(file) for file in FILES}
    assert {file: path.read_bytes() for file, path in paths.items()} == FILES
    assert "fetching hf-hub:some/eyes:folder/a b.pth (0.0 MB)" in reported.notices
    num_requests = len(eyes.requests)
    assert [EYES.fetch(file) for file in FILES] == list(paths.values())
    assert len(eyes.requests) == num_requests
    assert hf_hub_download("some/eyes", "config.json") == str(paths["config.json"])  # the hub's own cache


def test_only_drkits_own_messages_are_printed(eyes: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    EYES.fetch("model.safetensors")
    with pytest.raises(InputError):
        EYES.fetch("missing.pth")
    assert capfd.readouterr() == ("", "")


def test_a_revision_is_a_branch_or_a_commit(eyes: Hub) -> None:
    commit = eyes.repositories["some/eyes"].commit
    assert HubRepository("some/eyes", commit).fetch("config.json").read_bytes() == b"{}"
    with pytest.raises(InputError, match=r"hf-hub:some/eyes@v9: the repository has no revision 'v9'"):
        HubRepository("some/eyes", "v9").fetch("config.json")


def test_the_token_is_sent_to_the_hub_only(eyes: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "good")
    EYES.files()
    EYES.fetch("model.safetensors")
    assert {token for _, path, token in eyes.requests if not path.startswith("/cdn/")} == {"good"}
    assert {token for _, path, token in eyes.requests if path.startswith("/cdn/")} == {""}


@pytest.mark.parametrize(
    ("access", "token", "message"),
    [
        ("gated", "", r"is gated: request access on http.*/some/eyes and set HF_TOKEN"),
        ("gated", "stranger", r"is gated: request access on http.*/some/eyes with the account of that token"),
        ("private", "", r"does not exist, or is private and HF_TOKEN is not set"),
        ("private", "bad", r"rejects the token \(HF_TOKEN.*not valid"),
        ("missing", "", r"does not exist, or is private and HF_TOKEN is not set"),
        ("private", "stranger", r"does not exist, or is private and HF_TOKEN's account may not read it"),
        ("missing", "good", r"does not exist, or is private and HF_TOKEN's account may not read it"),
    ],
)
@pytest.mark.parametrize("asks", [lambda: EYES.fetch("config.json"), lambda: EYES.files()], ids=["fetch", "list"])
def test_gated_and_private_repositories_are_refused_in_a_line(
    hub: Hub, access: str, token: str, message: str, asks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if access != "missing":
        hub.add("some/eyes", FILES, access)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    if access == "gated":
        assert EYES.files()  # everybody may see their names
        asks = lambda: EYES.fetch("config.json")  # noqa: E731
    with pytest.raises(InputError, match=message) as refused:
        asks()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("access", ["gated", "private"])
def test_a_token_with_access_can_read_it(hub: Hub, access: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("some/eyes", FILES, access)
    monkeypatch.setenv("HF_TOKEN", "good")
    assert EYES.files()
    assert EYES.fetch("config.json").read_bytes() == b"{}"


def test_a_missing_file_is_refused(eyes: Hub) -> None:
    with pytest.raises(MissingFileError, match=r"hf-hub:some/eyes has no file 'a\.pth'"):
        EYES.fetch("a.pth")


@pytest.mark.parametrize("path", ["/api/", "/resolve/"])
def test_a_hub_that_hangs_is_refused_within_five_seconds(eyes: Hub, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert repository.TIMEOUT < 5
    monkeypatch.setattr(repository, "TIMEOUT", 0.5)
    eyes.hangs_at, begun = path, time.monotonic()
    with pytest.raises(
        InputError, match=r"does not respond to a request for hf-hub:some/eyes: (no response|timed out)"
    ):
        EYES.files() if path == "/api/" else EYES.fetch("config.json")
    assert time.monotonic() - begun < repository.TIMEOUT + 3  # this machine may have other things to do


def test_a_request_whose_steps_are_all_in_time_is_stopped_after_the_total_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A library's time limit applies to one address and one read, and not to a slow name server."""
    monkeypatch.setattr(repository, "TIMEOUT", 0.1)
    with pytest.raises(TimeoutError, match="no response within"):
        repository.with_timeout(lambda: time.sleep(1))


def test_an_unreachable_hub_is_refused_at_once(eyes: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # does not respond
    with pytest.raises(
        InputError, match=r"127\.0\.0\.1:9 does not respond to a request for hf-hub:some/eyes: .*refused"
    ):
        EYES.files()


def test_a_server_error_of_the_hub_is_reported(eyes: Hub) -> None:
    eyes.fails_with = 503
    with pytest.raises(
        InputError, match=r"responds with status 503 to a request for hf-hub:some/eyes: try again later"
    ):
        EYES.files()


@pytest.mark.parametrize("asks", [lambda: EYES.fetch("config.json"), lambda: EYES.files()], ids=["fetch", "list"])
def test_the_page_of_a_portal_is_not_taken_for_the_hub(eyes: Hub, asks: Any) -> None:
    eyes.fails_with = 200
    with pytest.raises(InputError, match=r"hf-hub:some/eyes as a hub would: check HF_ENDPOINT and"):
        asks()


def test_offline_only_the_cache_is_used(eyes: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    path = EYES.fetch("model.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    num_requests = len(eyes.requests)
    assert EYES.fetch("model.safetensors") == path
    assert EYES.files() == ("model.safetensors",)
    with pytest.raises(InputError, match=r"eyes:config\.json is not in the cache .*HF_HUB_OFFLINE forbids downloads"):
        EYES.fetch("config.json")
    with pytest.raises(InputError, match=r"other/eyes is not in the cache .*HF_HUB_OFFLINE forbids"):
        HubRepository("other/eyes").files()
    assert len(eyes.requests) == num_requests


def test_cached_files_are_used_if_the_hub_is_unreachable(eyes: Hub) -> None:
    EYES.fetch("folder/a b.pth")
    eyes.fails_with = 500
    assert EYES.files() == ("folder/a b.pth",)
    assert EYES.fetch("folder/a b.pth").read_bytes() == b"more"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_is_not_writable_is_reported(eyes: Hub) -> None:
    cache = Path(constants.HF_HUB_CACHE)
    cache.mkdir()
    cache.chmod(0o500)
    with pytest.raises(InputError, match=r"cannot be written to .*hub-cache.*set HF_HOME"):
        EYES.fetch("config.json")


def test_a_full_disk_is_reported(eyes: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(repository, "hf_hub_download", full)
    with pytest.raises(InputError, match=r"eyes:config\.json cannot be written to .* \(No space left on device\)"):
        EYES.fetch("config.json")


def test_a_folder_can_be_a_repository(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    local = LocalRepository(tmp_path)
    assert local.files() == tuple(sorted(FILES))
    assert local.fetch("config.json").read_bytes() == b"{}"
    with pytest.raises(MissingFileError, match=r"has no file 'a\.pth'"):
        local.fetch("a.pth")
    with pytest.raises(InputError, match="is not a folder"):
        LocalRepository(tmp_path / "nothing").files()
