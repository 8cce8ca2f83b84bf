"""A drkit checkpoint without a training, and a small hub."""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
from huggingface_hub import constants

from drkit.models.grader import build_grader
from drkit.records.checkpoint import Architecture, CheckpointHeader, write_checkpoint


def make_header(backbone: str, *, unshared: bool = False) -> CheckpointHeader:
    """The header of a run without a training."""
    architecture = Architecture(
        backbone=backbone,
        side=64,
        unit="eye" if unshared else "image",
        num_slots=2 if unshared else 1,
        fusion="mean-max",
        unshared=unshared,
        attention="",
        loss="regression",
        auxiliary=False,
        dropout=0.0,
    )
    values = {
        "bank_side": 64, "steps": (), "mean": (0.5,) * 3, "std": (0.5,) * 3, "sigma": 0.5, "decision": "round",
        "cut_points": None, "target": "eye", "fold": None, "folds": 0, "seed": None, "tta": False,
        "chosen_on": "last", "epoch": 1, "labels_sha256": "0" * 64, "provenance": {},
    }  # fmt: skip
    return CheckpointHeader(architecture=architecture, **values)


@pytest.fixture
def write_own() -> Callable[..., dict]:
    """Writes a checkpoint to a path and returns its tensors."""

    def write(path: Path, backbone: str, *, unshared: bool = False) -> dict:
        header = make_header(backbone, unshared=unshared)
        tensors = build_grader(header.architecture, pretrained=False).state_dict()
        write_checkpoint(path, tensors, header, force=False)
        return tensors

    return write


# A hub.


@dataclass
class Stored:
    """A repository on the hub."""

    files: dict[str, bytes]
    access: str = "public"  # or gated or private, which only the token `good` can read
    commit: str = "c0ffee" + "0" * 34


@dataclass
class Hub:
    """A small hub, which responds to the requests of drkit as the real hub does.

    Args:
        url: Address of the hub.
        repositories: Repositories by `OWNER/NAME`.
        requests: Method, path and token of each request so far.
        hangs_at: Part of the paths of requests that get no response.
        fails_with: Status of every response of a hub that does not work; 200 gives the page of a portal.
    """

    url: str = ""
    repositories: dict[str, Stored] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    hangs_at: str | None = None
    fails_with: int | None = None
    released: threading.Event = field(default_factory=threading.Event)

    def add(self, name: str, files: dict[str, bytes], access: str = "public") -> None:
        """Add a repository."""
        self.repositories[name] = Stored(files, access)

    def respond(self, method: str, path: str, token: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the response."""
        self.requests.append((method, path, token))
        if self.hangs_at and self.hangs_at in path:
            self.released.wait(60)
        if self.fails_with == 200:
            return 200, {"Content-Type": "text/html"}, b"<html>Welcome to this hotel</html>"
        if self.fails_with:
            return self.fails_with, {}, b""
        if token not in ("", "good", "stranger"):
            return 401, {"X-Error-Message": "Invalid credentials in Authorization header"}, b""
        if path.startswith("/cdn/"):
            return 200, {}, self._content(unquote(path.removeprefix("/cdn/")))
        info = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/?]+))?(?:\?.*)?", path)
        download = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        name, revision, *file = (info or download).groups()  # type: ignore[union-attr]
        stored = self.repositories.get(name)
        if stored is None or (stored.access == "private" and token != "good"):
            return self._missing_repository(token)
        if revision not in (None, "main", stored.commit):
            return 404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": f"Invalid rev id: {revision}"}, b""
        return self._file(name, stored, unquote(file[0]), token) if file else self._info(name, stored)

    @staticmethod
    def _missing_repository(token: str) -> tuple[int, dict[str, str], bytes]:
        """The response does not reveal whether the repository is missing or private."""
        if token:
            return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not stored"}, b""
        return 401, {"X-Error-Message": "Invalid username or password."}, b""

    @staticmethod
    def _info(name: str, stored: Stored) -> tuple[int, dict[str, str], bytes]:
        info = {
            "_id": "1", "id": name, "modelId": name, "sha": stored.commit, "tags": [], "downloads": 1,
            "private": stored.access == "private", "gated": "auto" if stored.access == "gated" else False,
            "siblings": [{"rfilename": file} for file in stored.files],
        }  # fmt: skip
        return 200, {"Content-Type": "application/json"}, json.dumps(info).encode()

    def _file(self, name: str, stored: Stored, file: str, token: str) -> tuple[int, dict[str, str], bytes]:
        if stored.access == "gated" and token != "good":
            status = 403 if token else 401
            return (
                status,
                {"X-Error-Code": "GatedRepo", "X-Error-Message": f"Access to model {name} is restricted."},
                b"",
            )
        if file not in stored.files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not stored"}, b""
        content = stored.files[file]
        headers = {"X-Repo-Commit": stored.commit, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        if file.endswith((".json", ".md")):
            return 200, headers, content
        large = {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"'}
        elsewhere = self.url.replace("127.0.0.1", "localhost")
        return 302, {**headers, **large, "Location": f"{elsewhere}/cdn/{name}/{file}"}, b""

    def _content(self, path: str) -> bytes:
        owner, name, file = path.split("/", 2)
        return self.repositories[f"{owner}/{name}"].files[file]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def _respond(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        status, headers, body = self.hub.respond(self.command, self.path, token)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serving() -> Iterator[Hub]:
    """A running hub that this process is not configured to use."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield hub
    hub.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hub(serving: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """A hub that this process uses, with an empty cache and no token."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    values = {
        "ENDPOINT": serving.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": serving.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "hub-cache"),
        "HF_HUB_OFFLINE": False,
        "HF_TOKEN_PATH": str(tmp_path / "token"),
    }
    for name, value in values.items():
        monkeypatch.setattr(constants, name, value)
    return serving
