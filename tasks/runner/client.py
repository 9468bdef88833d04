"""Ask the supervisor how its processes are."""

from __future__ import annotations

import base64
import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.parsers.expat import ExpatError

from jfcelery.tasks.runner.configuration import USER

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class ProcessState:
    """One process as the supervisor sees it.

    Args:
        name: Its name in the layout.
        pid: Its process id; 0 while it does not run.
        state: The supervisor's word: STARTING, RUNNING, BACKOFF, STOPPING, EXITED, STOPPED, FATAL.
        words: The supervisor's one line about it.
    """

    name: str
    pid: int
    state: str
    words: str


class SupervisorSilentError(Exception):
    """Raised when the supervisor does not answer, or not as it should."""


class SupervisorClient:
    """A connection to a running supervisor.

    Args:
        socket_path: Where it answers.
        password: What it was started with.
        timeout: Seconds that an answer may take.
    """

    def __init__(self, socket_path: Path, password: str, *, timeout: float) -> None:
        secret = base64.b64encode(f"{USER}:{password}".encode()).decode()
        self._transport = _UnixTransport(str(socket_path), timeout, f"Basic {secret}")
        self._proxy = xmlrpc.client.ServerProxy("http://localhost", transport=self._transport)

    def processes(self) -> list[ProcessState]:
        """Return the state of all processes.

        Raises:
            SupervisorSilentError: No answer came.
        """
        try:
            answers: Any = self._proxy.supervisor.getAllProcessInfo()
            return [
                ProcessState(a["name"], a["pid"], a["statename"], a["description"]) for a in answers
            ]
        except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError) as error:
            raise SupervisorSilentError(str(error)) from error
        except (KeyError, TypeError) as error:
            raise SupervisorSilentError(f"unexpected answer: {error}") from error
        finally:
            self._transport.close()


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket, with a time limit."""

    def __init__(self, path: str, timeout: float, authorization: str) -> None:
        super().__init__(headers=[("Authorization", authorization)])
        self._path, self._timeout = path, timeout
        self._made: _UnixConnection | None = None

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        """Return a connection to the socket, whatever host is asked for."""
        if not self._made:
            self._made = _UnixConnection(self._path, self._timeout)
        del host
        return self._made

    def close(self) -> None:
        """Close the connection, also one that was never made."""
        if self._made:
            self._made.close()
            self._made = None


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path, self._limit = path, timeout

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._limit)
        self.sock.connect(self._path)
