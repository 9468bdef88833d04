"""The real servers that tests talk to, as child processes of the test session."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jfcelery.services.binaries import find_broker, find_database
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: This machine only.
LOOPBACK = "127.0.0.1"
#: How often a server is started anew when another process took its port in between.
ATTEMPTS = 5
#: How long a server may take to end after SIGTERM, in seconds.
GRACE = 20.0


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Args:
        url: How clients reach it.
        process: Its process.
        folder: Its files.
    """

    url: str
    process: subprocess.Popen[bytes]
    folder: Path


@contextlib.contextmanager
def running(argv: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server while the context lasts; its output goes to ``log`` in its folder."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def redis_server(folder: Path, address: str = LOOPBACK) -> Iterator[Server]:
    """Run a Redis (or Valkey) server on a port of the loopback or another interface."""
    binary = str(find_broker())
    for _ in range(ATTEMPTS):
        port = free_port(address)
        argv = [binary, "--bind", address, "--port", str(port), "--dir", str(folder)]
        argv += ["--protected-mode", "no", "--maxmemory-policy", "noeviction"]
        argv += ["--save", "", "--appendonly", "no"]
        with running(argv, folder) as process:
            if _answers(process, address, port):
                yield Server(f"redis://{address}:{port}/0", process, folder)
                return
    raise RuntimeError(f"Redis does not start: {_tail(folder)}")


@contextlib.contextmanager
def mongo_server(folder: Path, address: str = LOOPBACK) -> Iterator[Server]:
    """Run the MongoDB-compatible server of the ``embedded`` extra."""
    binary = str(find_database())
    argv = [binary, "--host", address, "--port", "0", "--storage-path", str(folder / "data")]
    argv += ["--log-file-max", "64MB", "--cache-size", "256M", "--write-tickets", "2"]
    argv += ["--standalone"]
    with running(argv, folder) as process:
        port = wait_until(lambda: announced_port(process, folder), "the database to listen")
        yield Server(f"mongodb://{address}:{port}/?directConnection=true", process, folder)


def free_port(address: str) -> int:
    """Return a TCP port of an interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
    return port


def _answers(process: subprocess.Popen[bytes], address: str, port: int) -> bool:
    """Wait for a PONG of exactly this process; False if it ended instead."""

    def look() -> str | None:
        if process.poll() is not None:
            return "ended"
        try:
            with socket.create_connection((address, port), timeout=5) as client:
                client.sendall(b"INFO server\r\n")
                answer = client.recv(4096)
        except OSError:
            return None
        return "ready" if f"process_id:{process.pid}".encode() in answer else None

    return wait_until(look, "Redis to answer") == "ready"


def announced_port(process: subprocess.Popen[bytes], folder: Path) -> str | None:
    """Return the port that the database says it listens on."""
    if process.poll() is not None:
        raise RuntimeError(f"the database does not start: {_tail(folder)}")
    found = re.search(r"listening on [\d.]+:(\d+)", (folder / "log").read_text())
    return found[1] if found else None


def _tail(folder: Path) -> str:
    """Return the end of a server's log."""
    return (folder / "log").read_text(errors="replace")[-2000:]
