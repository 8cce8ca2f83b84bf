"""Programs `drkit` and `python` whose calls are forks of a process that has imported the heavy packages already.

Importing torch takes longer than what most calls in tests do with a few small photographs. drkit itself is imported
anew where the caller's PYTHONPATH has another one. `python` forks for `-m drkit`, torchrun and scripts, also where
these start further processes, and is a plain Python for anything else. Both pass on Ctrl-C and SIGTERM, and see the
disks that their caller has mounted.
"""

import atexit
import ctypes
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

PACKAGES = (
    "cv2", "kornia.augmentation", "lightgbm", "lightning_fabric", "matplotlib.pyplot", "pandas", "pyarrow.parquet",
    "scipy.stats", "sklearn.linear_model", "timm", "torch", "torchvision",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
RECIPES = [f"drkit.recipes.{path.stem}" for path in sorted((ROOT / "drkit" / "recipes").glob("[a-z]*.py"))]
STREAMS = (0, 1, 2)
MOUNTS, CLONE_NEWNS = Path("/proc/self/ns/mnt"), 0x20000  # the namespace of mounts, on Linux
CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
module, arguments = "drkit", sys.argv[1:]
if sys.argv[0].endswith("python"):
    rest = arguments[arguments[0] == "-u" :]
    if rest[0] == "-m" and rest[1].startswith(("drkit", "torch.distributed.run")):
        _, module, *arguments = rest
    elif rest[0].endswith(".py"):
        module, *arguments = rest
    else:
        os.execv({python!r}, [{python!r}, *arguments])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    call = json.dumps([module, arguments, os.getcwd(), dict(os.environ)]).encode()
    mounts = os.open({mounts!r} if os.path.exists({mounts!r}) else os.devnull, os.O_RDONLY)
    socket.send_fds(server, [len(call).to_bytes(8, "big")], [0, 1, 2, mounts])
    server.sendall(call)
    process = int.from_bytes(server.recv(8), "big")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(process, number))
    sys.exit(int(server.recv(1)[0]))
"""


@contextmanager
def forked_drkit(folder: Path) -> Iterator[Path]:
    """Start the process in a folder of its own, and yield the folder of the programs, to be put first in PATH."""
    address, programs = folder / "socket", folder / "bin"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        command = [sys.executable, __file__, str(listener.fileno()), str(programs / "python")]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()])
    programs.mkdir()
    for program in (programs / "drkit", programs / "python"):
        program.write_text(CLIENT.format(python=sys.executable, address=str(address), mounts=str(MOUNTS)))
        program.chmod(0o755)
    try:
        yield programs
    finally:
        server.kill()
        server.wait()


def _serve(listener: socket.socket) -> None:
    """Accept calls; each runs in a fork of a fork, and the first of both sends the exit status."""
    for package in (*PACKAGES, *RECIPES):
        import_module(package)
    gc.freeze()  # a fork that collects garbage would copy all pages
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks that have ended are not waited for
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(connection)
            os._exit(0)
        connection.close()


def _answer(connection: socket.socket) -> None:
    size, (*streams, mounts), _, _ = socket.recv_fds(connection, 8, len(STREAMS) + 1)
    with connection.makefile("rb") as file:
        module, arguments, folder, environment = json.loads(file.read(int.from_bytes(size, "big")))
    if child := os.fork():
        connection.sendall(child.to_bytes(8, "big"))
        connection.sendall(bytes([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256]))
        return
    for stream, given in zip(STREAMS, streams, strict=True):
        os.dup2(given, stream)
    if MOUNTS.exists() and not os.path.sameopenfile(mounts, os.open(MOUNTS, os.O_RDONLY)):
        ctypes.CDLL(None).setns(mounts, CLONE_NEWNS)
    for stream in (*streams, mounts, connection.fileno()):
        os.close(stream)
    encoding = environment.get("PYTHONIOENCODING")
    sys.stdin, sys.stdout = open(0, encoding=encoding), open(1, "w", encoding=encoding)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding=encoding, errors="backslashreplace")  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    folders = [Path(path) for path in environment.get("PYTHONPATH", "").split(os.pathsep)]
    if any((path / "drkit").is_dir() and path.resolve() != ROOT for path in folders):
        _forget("drkit")
    if any(name.startswith("HF_") for name in environment):  # the hub's library reads them when it is imported
        _forget("drkit", "huggingface_hub", "timm")
    rank_zero = import_module("lightning_fabric.utilities.rank_zero")
    rank_zero.rank_zero_only.rank = rank_zero._get_rank() or 0  # as when it is imported
    sys.argv[:] = [module, *arguments]
    sys.path[:0] = [str(path) for path in folders if str(path) not in sys.path]
    os._exit(_run(module))


def _forget(*packages: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


def _run(module: str) -> int:
    """Run a module or a script, and return the exit status."""
    status: object = 0
    try:
        if module.endswith(".py"):
            sys.path.insert(0, str(Path(module).parent))
            runpy.run_path(module, run_name="__main__")
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # as the interpreter does at its end: worker processes are told to stop
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status if isinstance(status, int) else int(status is not None)


if __name__ == "__main__":
    sys.executable = sys.argv[2]
    _serve(socket.socket(fileno=int(sys.argv[1])))
