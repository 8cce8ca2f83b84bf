"""Repositories of weights on the Hugging Face Hub, whose files are cached, or in a local folder."""

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

TIMEOUT = 4.0  # seconds for a server to respond, so that a command fails within five seconds
LOCAL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
SCHEME = re.compile(r"(hf[-_]hub|local[-_]dir):(.*)", re.IGNORECASE | re.DOTALL)
HUB_ADDRESS = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^:@]+))?(?::(?P<file>.+))?")
WEB_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?P<name>[\w.-]+/[\w.-]+)")
EXPECTED = "hf-hub:OWNER/NAME, hf-hub:OWNER/NAME@REVISION, or hf-hub:OWNER/NAME:FILE"


class MissingFileError(InputError):
    """A repository does not contain the requested file."""


class Repository(Protocol):
    """A network's configuration and weights."""

    def files(self) -> tuple[str, ...]:
        """Relative paths of all files, with `/`."""

    def cached(self, file: str) -> Path | None:
        """Path of a file on this machine; None if it is not there yet."""

    def fetch(self, file: str) -> Path:
        """Fetch a file unless it is on this machine, and return its path."""

    def address(self, file: str) -> str:
        """Name of a file in messages."""


@dataclass(frozen=True)
class LocalRepository:
    """A folder with weights and their `config.json`, as for timm's `local-dir:`.

    Args:
        folder: Path of the folder.
    """

    folder: Path

    def __str__(self) -> str:
        return f"local-dir:{self.folder}"

    def files(self) -> tuple[str, ...]:
        """Relative paths of all files, with `/`.

        Raises:
            InputError: the folder does not exist.
        """
        if not self.folder.is_dir():
            raise InputError(f"{self} is not a folder: expected a folder with config.json and weights")
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return tuple(path.relative_to(self.folder).as_posix() for path in paths)

    def cached(self, file: str) -> Path | None:
        """Path of a file; None if the folder does not contain it."""
        return self.folder / file if (self.folder / file).is_file() else None

    def fetch(self, file: str) -> Path:
        """Return the path of a file.

        Raises:
            MissingFileError: the folder does not contain the file.
        """
        if path := self.cached(file):
            return path
        raise MissingFileError(f"{self} has no file '{file}'")

    def address(self, file: str) -> str:
        """Name of a file in messages."""
        return str(self.folder / file)


@dataclass(frozen=True)
class HubRepository:
    """A repository of the Hugging Face Hub.

    Files in the hub's cache are used without asking the hub, and therefore also if the hub cannot be reached.

    Args:
        name: `OWNER/NAME`.
        revision: A branch, tag or commit; None for the main branch.
    """

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"hf-hub:{self.name}" + (f"@{self.revision}" if self.revision else "")

    def files(self) -> tuple[str, ...]:
        """Relative paths of all files, or only of the cached files if the hub does not respond.

        Raises:
            InputError: no files are cached, and the hub refuses or does not respond.
        """
        try:
            info = self._ask(lambda: HfApi().model_info(self.name, revision=self.revision, timeout=TIMEOUT))
            return tuple(sorted(sibling.rfilename for sibling in info.siblings or ()))
        except InputError:
            if cached := self._cached_files():
                return cached
            raise

    def cached(self, file: str) -> Path | None:
        """Path of a file in the hub's cache; None if it is not cached."""
        path = try_to_load_from_cache(self.name, file, revision=self.revision)
        return Path(path) if isinstance(path, str) else None

    def fetch(self, file: str) -> Path:
        """Download a file unless it is cached, and return its path.

        Raises:
            MissingFileError: the repository does not contain the file.
            InputError: the hub refuses or does not respond.
        """
        if cached := self.cached(file):
            return cached
        size = self.ask_for(file)
        notify(f"fetching {self.address(file)}" + (f" ({size / 1e6:.1f} MB)" if size else ""))
        with _quietly(), self._raising_input_errors(file):
            return Path(hf_hub_download(self.name, file, revision=self.revision, etag_timeout=TIMEOUT))

    def ask_for(self, file: str) -> int | None:
        """Ask the hub whether a file can be downloaded, without downloading it.

        Returns:
            Size of the file in bytes, if the hub states it.

        Raises:
            MissingFileError: the repository does not contain the file.
            InputError: the hub refuses or does not respond.
        """
        url = hf_hub_url(self.name, file, revision=self.revision)
        return self._ask(lambda: get_hf_file_metadata(url, timeout=TIMEOUT), file).size

    def address(self, file: str) -> str:
        """Name of a file in messages."""
        return f"{self}:{file}"

    def _cached_files(self) -> tuple[str, ...]:
        try:
            repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
        except (CacheNotFound, OSError):
            return ()
        requested = self.revision or constants.DEFAULT_REVISION
        own = [repo for repo in repositories if (repo.repo_id, repo.repo_type) == (self.name, "model")]
        revisions = [each for repo in own for each in repo.revisions if requested in (each.commit_hash, *each.refs)]
        files = (file.file_path.relative_to(each.snapshot_path) for each in revisions for file in each.files)
        return tuple(sorted(file.as_posix() for file in files))

    def _ask(self, request: Callable[[], T], file: str = "") -> T:
        with _quietly(), self._raising_input_errors(file):
            return with_timeout(request)

    @contextmanager
    def _raising_input_errors(self, file: str) -> Iterator[None]:
        """Convert errors of the hub's library to errors of drkit within the context."""
        try:
            yield
        except OfflineModeIsEnabled:
            name = self.address(file) if file else str(self)
            raise InputError(
                f"{name} is not in the cache ({constants.HF_HUB_CACHE}), and HF_HUB_OFFLINE forbids downloads: download"
                " it once without HF_HUB_OFFLINE, or name a file on this machine"
            ) from None
        except LocalEntryNotFoundError as error:  # raised if the connection breaks during a download
            raise InputError(self._explain(error.__cause__ or error, file)) from None
        except EntryNotFoundError:
            raise MissingFileError(f"{self} has no file '{file}'") from None
        except Exception as error:  # the kind depends on the library's version and on proxies
            raise InputError(self._explain(error, file)) from None

    def _explain(self, error: BaseException, file: str) -> str:
        """Explain an error of the hub's library in a message that says what to do."""
        has_token = get_token() is not None
        page = f"{constants.ENDPOINT}/{self.name}"
        if isinstance(error, OSError) and error.errno in LOCAL_ERRORS:
            return (
                f"{self.address(file)} cannot be written to {constants.HF_HUB_CACHE} ({error.strerror}): set HF_HOME to"
                " another folder"
            )
        if isinstance(error, GatedRepoError):
            remedy = "with the account of that token" if has_token else "and set HF_TOKEN to a token of your account"
            return f"{self} is gated: request access on {page} {remedy}"
        if isinstance(error, RevisionNotFoundError):
            return f"{self}: the repository has no revision '{self.revision}': see {page}/commits/main"
        headers = getattr(getattr(error, "response", None), "headers", {})
        if _status(error) == 401 and "Invalid credentials" in headers.get("X-Error-Message", ""):
            return f"{constants.ENDPOINT} rejects the token (HF_TOKEN, or that of `hf auth login`): it is not valid"
        if isinstance(error, RepositoryNotFoundError) or _status(error) in (401, 404):
            remedy = "HF_TOKEN's account may not read it" if has_token else "HF_TOKEN is not set"
            return f"{self} does not exist, or is private and {remedy}: check the name and the token"
        if (status := _status(error)) is not None:
            return f"{constants.ENDPOINT} responds with status {status} to a request for {self}: try again later"
        if isinstance(error, (FileMetadataError, ValueError, TypeError, KeyError)):  # the page of a portal or proxy
            return f"{constants.ENDPOINT} does not respond to {self} as a hub would: check HF_ENDPOINT and the proxy"
        return f"{constants.ENDPOINT} does not respond to a request for {self}: {_first_line(error)}"


def parse_address(text: str) -> tuple[Repository, str] | None:
    """Parse `hf-hub:OWNER/NAME`, `hf_hub:...` or `local-dir:PATH`.

    Returns:
        The repository and the name of a file in it, which is empty if none is given; None if the text is not an
        address.

    Raises:
        UsageError: the address has no name, or is that of a web page.
    """
    if web := WEB_ADDRESS.match(text):
        raise UsageError(f"{text} is a web page: write hf-hub:{web['name']}")
    scheme = SCHEME.fullmatch(text)
    if scheme is None:
        return None
    if scheme[1].lower().startswith("local"):
        if not scheme[2]:
            raise UsageError(f"'{text}' names no folder: expected local-dir:PATH")
        return LocalRepository(Path(scheme[2]).expanduser()), ""
    address = HUB_ADDRESS.fullmatch(scheme[2])
    if address is None or ".." in PurePosixPath(address["file"] or "").parts:
        raise UsageError(f"'{text}' is not a repository: expected {EXPECTED}")
    try:
        validate_repo_id(address["name"])
    except HFValidationError as error:
        raise UsageError(f"'{text}' is not a repository: {_first_line(error)}") from None
    return HubRepository(address["name"], address["revision"]), address["file"] or ""


def with_timeout(request: Callable[[], T]) -> T:
    """Return the response to a request to a server, within `TIMEOUT` seconds in total.

    The time limits of libraries apply to each address of a host and to each read, and not to the look-up of the host.

    Raises:
        TimeoutError: there was no response in time.
    """
    response: Future[T] = Future()

    def run() -> None:
        try:
            response.set_result(request())
        except BaseException as error:
            response.set_exception(error)

    threading.Thread(target=run, daemon=True).start()  # a daemon, so that a thread that hangs does not block the exit
    try:
        return response.result(timeout=TIMEOUT)
    except TimeoutError:
        if response.done():
            raise
        raise TimeoutError(f"no response within {TIMEOUT:.0f} seconds") from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Suppress the hub library's progress bars and warnings; HF_HUB_DISABLE_PROGRESS_BARS=0 keeps the bars."""
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


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
