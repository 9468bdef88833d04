"""Machines beside this one: each with a name, processes and a network of its own.

They are namespaces that see this machine's files, on a bridge whose address is this machine's. When
one is switched off, all its processes die at once and nothing is given back.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from types import TracebackType

#: Where bridges of tests take their networks from; see RFC 2544, section C.2.2.
NETWORK = "198.18"


def _run(*argv: str) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")


@dataclass(frozen=True)
class Machine:
    """One machine.

    Args:
        name: Its name.
        holder: The process that outlives all others of it.
        inside: The id of its first process.
    """

    name: str
    holder: subprocess.Popen[bytes]
    inside: int

    @property
    def prefix(self) -> list[str]:
        """What starts a command on it."""
        return ["nsenter", "-t", str(self.inside), "-n", "-u", "-p", "-m", "--"]

    def switch_off(self) -> None:
        """Kill all its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.inside, 9)
        self.holder.wait()


class Machines:
    """A network of machines, of which this one is the first."""

    def __init__(self) -> None:
        self._number = os.getpid() % 250
        self._bridge = f"jfb{self._number}"
        self._machines: list[Machine] = []
        self.address = f"{NETWORK}.{self._number}.1"

    def __enter__(self) -> Self:
        _run("ip", "link", "add", self._bridge, "type", "bridge")
        _run("ip", "addr", "add", f"{self.address}/24", "dev", self._bridge)
        _run("ip", "link", "set", self._bridge, "up")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for machine in self._machines:
            machine.switch_off()
        _run("ip", "link", "del", self._bridge)

    def add(self, name: str) -> Machine:
        """Switch a machine on."""
        flags = ["--net", "--uts", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child"]
        script = f"hostname {name} && exec sleep infinity"
        holder = subprocess.Popen(["unshare", *flags, "sh", "-c", script])
        machine = Machine(name, holder, wait_until(lambda: _ready(holder.pid), f"{name} to start"))
        self._machines.append(machine)
        number = len(self._machines)
        here = f"jfv{self._number}.{number}"
        _run(
            "ip", "link", "add", here, "type", "veth", "peer", "eth0", "netns", str(machine.inside)
        )
        _run("ip", "link", "set", here, "master", self._bridge, "up")
        for words in (
            ("addr", "add", f"{NETWORK}.{self._number}.{number + 1}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _run(*machine.prefix, "ip", *words)
        return machine


def _ready(holder: int) -> int | None:
    """Return the first process of a machine, once it does nothing but hold it."""
    children = Path(f"/proc/{holder}/task/{holder}/children").read_text().split()
    if not children:
        return None
    return int(children[0]) if Path(f"/proc/{children[0]}/comm").read_text() == "sleep\n" else None
