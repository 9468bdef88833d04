"""What is written down about a running service, for all other processes to find it."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jfcelery.services.processes import ProcessIdentity

if TYPE_CHECKING:
    from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, atomically and durably."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@dataclass(frozen=True)
class ServiceRecord:
    """The latest instance of an embedded service.

    Args:
        process: The server.
        address: Where it listens: a port, or the path of a socket.
        ready: Whether it has answered; an instance that is not ready is nobody's.
        host: Name of the machine, for messages.
        program: Path of the server's binary.
    """

    process: ProcessIdentity
    address: str
    ready: bool
    host: str
    program: str

    @classmethod
    def here(
        cls, process: ProcessIdentity, *, address: str, program: str, ready: bool
    ) -> ServiceRecord:
        """Return a record of a process on this machine."""
        return cls(process, address, ready, platform.node(), program)

    @classmethod
    def read(cls, path: Path) -> ServiceRecord | None:
        """Return the record in a file; None if there is none, or none that can be read."""
        try:
            fields: dict[str, Any] = json.loads(path.read_text())
            return cls(**{**fields, "process": ProcessIdentity(**fields["process"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, path: Path) -> None:
        """Write the record."""
        write_private(path, json.dumps(asdict(self)))

    @property
    def running(self) -> bool:
        """Return whether the instance is ready and its process lives on this machine."""
        return self.ready and self.process.alive
