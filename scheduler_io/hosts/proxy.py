"""A proxy command, as ssh's ProxyCommand, behind a real socket.

paramiko's own ``ProxyCommand`` never notices that the command ended, and then burns a processor.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess

from jfcelery.errors import ConnectionFailedError

#: Seconds for the command to end once it is told to.
END_TIMEOUT = 5.0


class Proxy:
    """A command that carries a connection on its stdin and stdout.

    Args:
        command: For ``sh``; ``%h``, ``%p`` and ``%r`` stand for host, port and user.
        host: Where to.
        port: Where to.
        user: As whom.
    """

    def __init__(self, command: str, *, host: str, port: int, user: str) -> None:
        for token, value in (("%h", host), ("%n", host), ("%p", str(port)), ("%r", user)):
            command = command.replace(token, value)
        self._command = command.replace("%%", "%")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> socket.socket:
        """Start the command; return the socket that leads to it."""
        ours, its = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {self._command}"],
                stdin=its.fileno(),
                stdout=its.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as exc:
            ours.close()
            raise ConnectionFailedError(f"cannot start {self._command!r}: {exc}") from exc
        finally:
            its.close()
        return ours

    def end(self) -> None:
        """End the command."""
        process, self._process = self._process, None
        if process is None:
            return
        for order in (signal.SIGTERM, signal.SIGKILL):
            process.send_signal(order)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_TIMEOUT)
                return
