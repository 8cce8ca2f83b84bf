"""A program `drkit` for scripts: each call is a fork of a process that has imported the heavy packages already.

A script of the examples calls drkit dozens of times, and importing torch takes longer than what a call does with a few
small photographs. Only packages of others are imported before the fork; each call imports drkit itself anew.
"""

import atexit
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
STREAMS = (0, 1, 2)
CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    call = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(call).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(call)
    sys.exit(int(server.recv(1)[0]))
"""


@contextmanager
def forked_drkit(folder: Path) -> Iterator[Path]:
    """Start the process in a folder of its own, and yield the folder of the program, to be put first in PATH."""
    address, program = folder / "socket", folder / "bin" / "drkit"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        command = [sys.executable, __file__, str(listener.fileno())]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()])
    program.parent.mkdir()
    program.write_text(CLIENT.format(python=sys.executable, address=str(address)))
    program.chmod(0o755)
    try:
        yield program.parent
    finally:
        server.kill()
        server.wait()


def _serve(listener: socket.socket) -> None:
    """Accept calls; each runs in a fork of a fork, and the first of both sends the exit status."""
    for package in PACKAGES:
        import_module(package)
    gc.freeze()  # a fork that collects garbage would copy all pages
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks that have ended are not waited for
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(connection)
            os._exit(0)
        connection.close()


def _answer(connection: socket.socket) -> None:
    size, streams, _, _ = socket.recv_fds(connection, 8, len(STREAMS))
    with connection.makefile("rb") as file:
        arguments, folder, environment = json.loads(file.read(int.from_bytes(size, "big")))
    if child := os.fork():
        connection.sendall(bytes([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256]))
        return
    for stream, given in zip(STREAMS, streams, strict=True):
        os.dup2(given, stream)
    for stream in (*streams, connection.fileno()):
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = arguments
    os._exit(_run())


def _run() -> int:
    """Run the program, and return its exit status."""
    status: object = 0
    try:
        runpy.run_module("drkit", run_name="__main__", alter_sys=True)
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
    _serve(socket.socket(fileno=int(sys.argv[1])))
