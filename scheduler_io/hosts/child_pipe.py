"""The input and output of a child process as one channel, for paramiko's SFTP client."""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING, Self

from jfcelery.errors import ConnectionFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

#: Seconds for the child to end by itself once its input has ended.
END_TIMEOUT = 5.0


class ChildPipe:
    """A child process that is spoken to.

    Args:
        argv: Program and arguments.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._socket, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        try:
            with theirs:
                self._child = subprocess.Popen(
                    argv,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=self._errors,
                    start_new_session=True,
                )
        except OSError as exc:
            self._socket.close()
            self._errors.close()
            raise ConnectionFailedError(f"cannot start {argv[0]}: {exc}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._errors.close()

    def _end(self) -> None:
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(END_TIMEOUT)
        if self._child.returncode is None:
            self._child.kill()
            self._child.wait()

    def settimeout(self, seconds: float) -> None:
        """Set how long one read or write may take."""
        self._socket.settimeout(seconds)

    def send(self, data: bytes) -> int:
        """Send some bytes; return how many, 0 if nobody reads any more."""
        try:
            return self._socket.send(data)
        except (BrokenPipeError, ConnectionResetError):
            return 0

    def recv(self, size: int) -> bytes:
        """Return so many bytes at most; b"" at the end."""
        try:
            return self._socket.recv(size)
        except ConnectionResetError:
            return b""

    def recv_ready(self) -> bool:
        """Whether something came."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def get_name(self) -> str:
        """How it is called in paramiko's log."""
        return f"process {self._child.pid}"

    def last_words(self) -> str:
        """End the child; return what it printed on stderr."""
        self._end()
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip()
