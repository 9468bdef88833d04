"""Ports of this machine that lead to another place, with faults on demand."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.tree import TREE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The relay is a program of its own.
PROGRAM = TREE / "tests" / "testbed" / "relay.py"


@dataclass
class Relay:
    """A port of this machine that leads elsewhere.

    Args:
        port: Of this machine.
        folder: Where its control socket lies.
    """

    port: int
    folder: Path

    def order(self, op: str, **settings: Any) -> dict[str, Any]:
        """Send an order (``set``, ``reset``, ``drop``, ``get``) and return its endpoint's state."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.folder / "s"))
            control.sendall(json.dumps({"op": op, **settings}).encode() + b"\n")
            with control.makefile() as stream:
                answer = json.loads(stream.readline())
        assert answer["ok"], answer
        return dict(answer["endpoints"]["it"])

    def set(self, **settings: Any) -> None:
        """Begin a fault, or end one."""
        self.order("set", **settings)


@contextmanager
def relay(
    folder: Path,
    target: tuple[str, int],
    *,
    address: str = "127.0.0.1",
    network: str = "/proc/self/ns/net",
) -> Iterator[Relay]:
    """Run a relay.

    Args:
        folder: An empty one with a short path.
        target: Address and port to which it leads.
        address: Of this machine, where it listens.
        network: The network from which the target is reached.
    """
    config = folder / "c.json"
    endpoints = [["it", [address, 0], list(target)]]
    config.write_text(
        json.dumps({"netns": network, "control": str(folder / "s"), "endpoints": endpoints})
    )
    ready, write = os.pipe()
    argv = [sys.executable, "-I", str(PROGRAM), str(config), str(write)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, pass_fds=[write], stdout=log, stderr=log)
    os.close(write)
    try:
        with os.fdopen(ready) as stream:
            port = int(json.loads(stream.readline())["it"])
        yield Relay(port, folder)
    finally:
        process.kill()
        process.wait(30)
