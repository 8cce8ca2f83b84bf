"""No test reaches another machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.reaches_out
@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "huggingface.co"])
def test_other_machines_are_blocked(host: str) -> None:
    with pytest.raises(OSError, match="tests reach no other machine"):
        socket.create_connection((host, 443), timeout=1)


@pytest.mark.reaches_out
def test_other_machines_are_blocked_in_processes_that_tests_start() -> None:
    program = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=1)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "tests reach no other machine" in done.stderr


def test_this_machine_is_reached() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=1) as connection,
    ):
        assert connection.getpeername() == server.getsockname()


def test_the_record_of_attempts_is_empty_for_a_test_that_makes_none() -> None:
    assert Path(os.environ["DRKIT_TESTS_REACHED"]).stat().st_size == 0
