"""A command in a session of an SSH connection."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import paramiko

from jfcelery.errors import ConnectionLostError
from jfcelery.scheduler_io.hosts.process import CHUNK, SLICE, Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.scheduler_io.hosts.deadline import Deadline


class ChannelProcess(Process):
    """A command in an SSH session.

    Args:
        channel: The session's paramiko channel; the command is under way.
        token: The marker at which its own output begins.
        deadline: How long it may take.
        kill: Kills the command whose shell has this process id on the host (None: not known).
    """

    def __init__(
        self,
        channel: Any,
        *,
        token: str,
        deadline: Deadline,
        kill: Callable[[int | None], None],
    ) -> None:
        super().__init__(token, deadline)
        self._channel = channel
        self._kill = kill

    def _lost(self) -> bool:
        return not self._channel.get_transport().is_active()

    def _connection_lost(self) -> ConnectionLostError:
        return ConnectionLostError(f"{self.deadline.what}: the connection broke during a command")

    def _write(self, data: memoryview) -> int:
        self._channel.settimeout(self.deadline.left(SLICE))
        try:
            sent = int(self._channel.send(bytes(data)))
        except TimeoutError:
            return 0
        except (OSError, EOFError, paramiko.SSHException) as exc:
            if self._lost():
                raise self._connection_lost() from exc
            return -1
        return sent or -1

    def _read(self, *, wait: bool) -> bytes | None:
        self._read_stderr()
        if not wait and not self._channel.recv_ready():
            return None
        self._channel.settimeout(self.deadline.left(SLICE))
        try:
            piece = bytes(self._channel.recv(CHUNK))
        except TimeoutError:
            return None
        except (OSError, EOFError, paramiko.SSHException) as exc:
            raise self._connection_lost() from exc
        if not piece and self._lost():
            raise self._connection_lost()
        if not piece:  # what came on stderr since the look above
            self._read_stderr()
        return piece

    def _read_stderr(self) -> None:
        while self._channel.recv_stderr_ready():
            self._note_stderr(self._channel.recv_stderr(CHUNK))

    def _exit_code(self) -> int:
        while not self._channel.status_event.wait(self.deadline.left(SLICE)):
            self._read_stderr()
        self._read_stderr()
        return int(self._channel.exit_status)

    def end_input(self) -> None:
        """Send the end of file."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()

    def kill(self) -> None:
        """Kill the command's process group, in another session of the connection."""
        self._kill(self.pid)

    def _close(self) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.close()
