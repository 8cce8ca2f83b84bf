"""Prevents a Python process from reaching other machines, and records its attempts in a file."""

import errno
import ipaddress
import os
import sys
from pathlib import Path
from typing import Any


def _refuse_others(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else ""  # that of a Unix socket is its file
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if not _is_own(name):
        with Path(os.environ["DRKIT_TESTS_REACHED"]).open("a") as notes:  # as it is now: of each process of the tests
            notes.write(f"{event} {name}\n")
        raise OSError(errno.ENETUNREACH, "tests reach no other machine")


def _is_own(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified


sys.addaudithook(_refuse_others)  # cannot be taken back
