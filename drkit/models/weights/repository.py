"""Repositories of weights: on the Hugging Face Hub, fetched once and kept in its cache, or a folder of that make."""

import errno
import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

from huggingface_hub import (
    CacheNotFound,
    HfApi,
    constants,
    get_hf_file_metadata,
    get_token,
    hf_hub_download,
    hf_hub_url,
    scan_cache_dir,
    try_to_load_from_cache,
)
from huggingface_hub.utils import (
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
    validate_repo_id,
)
from huggingface_hub.utils import logging as hub_logging

from drkit.errors import InputError, UsageError
from drkit.progress import notify

T = TypeVar("T")

PATIENCE = 4.0  # seconds for a server to answer one question; with what else is done, less than five
OF_THIS_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
SCHEME = re.compile(r"(hf[-_]hub|local[-_]dir):(.*)", re.IGNORECASE | re.DOTALL)
HUB_PLACE = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^:@]+))?(?::(?P<file>.+))?")
WEB_PLACE = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?P<name>[\w.-]+/[\w.-]+)")
EXPECTED = "hf-hub:OWNER/NAME, hf-hub:OWNER/NAME@REVISION, or hf-hub:OWNER/NAME:FILE"


class MissingFileError(InputError):
    """A repository that is there, without a file that was asked for."""


class Repository(Protocol):
    """Where a network's configuration and weights lie together."""

    def files(self) -> tuple[str, ...]:
        """Names of its files, relative, with `/`."""

    def cached(self, file: str) -> Path | None:
        """Where a file of it lies on this machine already."""

    def fetch(self, file: str) -> Path:
        """Where a file of it lies on this machine, fetched if need be."""

    def address(self, file: str) -> str:
        """How messages call a file of it."""


@dataclass(frozen=True)
class LocalRepository:
    """A folder of weights and their `config.json`, as timm's `local-dir:` names it.

    Args:
        folder: Where it lies.
    """

    folder: Path

    def __str__(self) -> str:
        return f"local-dir:{self.folder}"

    def files(self) -> tuple[str, ...]:
        """Names of its files, relative, with `/`.

        Raises:
            InputError: no such folder.
        """
        if not self.folder.is_dir():
            raise InputError(f"{self} is no folder: expected one with config.json and weights in it")
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return tuple(path.relative_to(self.folder).as_posix() for path in found)

    def cached(self, file: str) -> Path | None:
        """Where a file of it lies, if it is there."""
        return self.folder / file if (self.folder / file).is_file() else None

    def fetch(self, file: str) -> Path:
        """Where a file of it lies.

        Raises:
            MissingFileError: there is none.
        """
        if found := self.cached(file):
            return found
        raise MissingFileError(f"{self} has no file '{file}'")

    def address(self, file: str) -> str:
        """How messages call a file of it."""
        return str(self.folder / file)


@dataclass(frozen=True)
class HubRepository:
    """A repository of the Hugging Face Hub.

    What lies in the hub's cache is taken without asking the hub, which also answers for a repository that can no longer
    be reached.

    Args:
        name: `OWNER/NAME`.
        revision: A branch, tag or commit; None: the main branch.
    """

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"hf-hub:{self.name}" + (f"@{self.revision}" if self.revision else "")

    def files(self) -> tuple[str, ...]:
        """Names of its files; of those in the cache, where the hub does not answer.

        Raises:
            InputError: the hub refuses, or does not answer and nothing is in the cache.
        """
        try:
            info = self._ask(lambda: HfApi().model_info(self.name, revision=self.revision, timeout=PATIENCE))
            return tuple(sorted(sibling.rfilename for sibling in info.siblings or ()))
        except InputError:
            if cached := self._cached_files():
                return cached
            raise

    def cached(self, file: str) -> Path | None:
        """Where the cache has a file, if an earlier download left it there."""
        found = try_to_load_from_cache(self.name, file, revision=self.revision)
        return Path(found) if isinstance(found, str) else None

    def fetch(self, file: str) -> Path:
        """Where a file lies on this machine: the cached copy, else a new one.

        Raises:
            MissingFileError: the repository has none of this name.
            InputError: the hub refuses it or does not answer.
        """
        if cached := self.cached(file):
            return cached
        size = self.ask_for(file)
        notify(f"fetching {self.address(file)}" + (f" ({size / 1e6:.1f} MB)" if size else ""))
        with _quietly(), self._refusing(file):
            return Path(hf_hub_download(self.name, file, revision=self.revision, etag_timeout=PATIENCE))

    def ask_for(self, file: str) -> int | None:
        """Ask whether a file can be had, without fetching it.

        Returns:
            Its size in bytes, if the hub tells it.

        Raises:
            MissingFileError: the repository has none of this name.
            InputError: the hub refuses it or does not answer.
        """
        url = hf_hub_url(self.name, file, revision=self.revision)
        return self._ask(lambda: get_hf_file_metadata(url, timeout=PATIENCE), file).size

    def address(self, file: str) -> str:
        """How messages call a file of it."""
        return f"{self}:{file}"

    def _cached_files(self) -> tuple[str, ...]:
        try:
            kept = scan_cache_dir(constants.HF_HUB_CACHE).repos
        except (CacheNotFound, OSError):
            return ()
        wanted = self.revision or constants.DEFAULT_REVISION
        own = [
            part for repo in kept if (repo.repo_id, repo.repo_type) == (self.name, "model") for part in repo.revisions
        ]
        held = [part for part in own if wanted in (part.commit_hash, *part.refs)]
        files = (file.file_path.relative_to(part.snapshot_path) for part in held for file in part.files)
        return tuple(sorted(file.as_posix() for file in files))

    def _ask(self, question: Callable[[], T], file: str = "") -> T:
        with _quietly(), self._refusing(file):
            return answer_in_time(question)

    @contextmanager
    def _refusing(self, file: str) -> Iterator[None]:
        """Turn what the hub's library raises into a line of drkit's."""
        try:
            yield
        except OfflineModeIsEnabled:
            what = self.address(file) if file else str(self)
            raise InputError(
                f"{what} is not in the cache ({constants.HF_HUB_CACHE}), and HF_HUB_OFFLINE forbids to fetch it: fetch"
                " it once without HF_HUB_OFFLINE, or name a file of this machine"
            ) from None
        except LocalEntryNotFoundError as error:  # what a download says whose connection broke
            raise InputError(self._complaint(error.__cause__ or error, file)) from None
        except EntryNotFoundError:
            raise MissingFileError(f"{self} has no file '{file}'") from None
        except Exception as error:  # which kind depends on the hub's version and on what is between
            raise InputError(self._complaint(error, file)) from None

    def _complaint(self, error: BaseException, file: str) -> str:
        """What went wrong, and what to do about it."""
        has_token = get_token() is not None
        page = f"{constants.ENDPOINT}/{self.name}"
        if isinstance(error, OSError) and error.errno in OF_THIS_MACHINE:
            return f"{self.address(file)} cannot be kept in {constants.HF_HUB_CACHE} ({error.strerror}): set HF_HOME"
        if isinstance(error, GatedRepoError):
            remedy = "with the account of that token" if has_token else "and set HF_TOKEN to a token of your account"
            return f"{self} is gated: ask for access on {page} {remedy}"
        if isinstance(error, RevisionNotFoundError):
            return f"{self}: the repository has no revision '{self.revision}': see {page}/commits/main"
        if _is_refused_token(error):
            return f"{constants.ENDPOINT} refuses the token (HF_TOKEN, or that of `hf auth login`): it is not valid"
        if isinstance(error, RepositoryNotFoundError) or _status(error) in (401, 404):
            remedy = "HF_TOKEN's account may not read it" if has_token else "HF_TOKEN is not set"
            return f"{self} does not exist, or is private and {remedy}: check the name, and the token"
        if (status := _status(error)) is not None:
            return f"{constants.ENDPOINT} answers {status} when asked for {self}: try again later"
        if isinstance(error, (FileMetadataError, ValueError, TypeError, KeyError)):  # a portal's or a proxy's page
            return f"{constants.ENDPOINT} does not answer {self} as a hub would: check HF_ENDPOINT and the proxy"
        return f"{constants.ENDPOINT} does not answer when asked for {self}: {_first_line(error)}"


def parse_address(text: str) -> tuple[Repository, str] | None:
    """The repository that `hf-hub:OWNER/NAME`, `hf_hub:...` or `local-dir:PATH` names, and the file in it, or `""`.

    Returns:
        None for what is no such address.

    Raises:
        UsageError: an address without a name, or that of a web page.
    """
    if web := WEB_PLACE.match(text):
        raise UsageError(f"{text} is a web page: write hf-hub:{web['name']}")
    scheme = SCHEME.fullmatch(text)
    if scheme is None:
        return None
    if scheme[1].lower().startswith("local"):
        if not scheme[2]:
            raise UsageError(f"'{text}' names no folder: expected local-dir:PATH")
        return LocalRepository(Path(scheme[2]).expanduser()), ""
    place = HUB_PLACE.fullmatch(scheme[2])
    if place is None or ".." in PurePosixPath(place["file"] or "").parts:
        raise UsageError(f"'{text}' is no repository: expected {EXPECTED}")
    try:
        validate_repo_id(place["name"])
    except HFValidationError as error:
        raise UsageError(f"'{text}' is no repository: {_first_line(error)}") from None
    return HubRepository(place["name"], place["revision"]), place["file"] or ""


def answer_in_time(question: Callable[[], T]) -> T:
    """The answer of a server, within `PATIENCE` seconds in all.

    A library's own limit holds for each address of a host and for each read, and not for looking up the host's name.

    Raises:
        TimeoutError: there was none.
    """
    answer: Future[T] = Future()

    def ask() -> None:
        try:
            answer.set_result(question())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()  # one that hangs for ever does not keep the program from ending
    try:
        return answer.result(timeout=PATIENCE)
    except TimeoutError:
        if answer.done():
            raise
        raise TimeoutError(f"no answer within {PATIENCE:.0f} seconds") from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the hub's own bars and remarks; HF_HUB_DISABLE_PROGRESS_BARS=0 keeps the bars."""
    was_disabled, verbosity = are_progress_bars_disabled(), hub_logging.get_verbosity()
    with warnings.catch_warnings(action="ignore"):
        disable_progress_bars()
        hub_logging.set_verbosity(logging.CRITICAL)
        try:
            yield
        finally:
            hub_logging.set_verbosity(verbosity)
            if not was_disabled:
                enable_progress_bars()


def _status(error: BaseException) -> int | None:
    response: Any = getattr(error, "response", None)
    return response.status_code if isinstance(error, HfHubHTTPError) and response is not None else None


def _is_refused_token(error: BaseException) -> bool:
    if _status(error) != 401:
        return False
    response: Any = error.response  # type: ignore[attr-defined]
    return "Invalid credentials" in response.headers.get("X-Error-Message", "")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
