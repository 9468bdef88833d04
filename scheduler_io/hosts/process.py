"""A command under way on a host: three streams and an exit code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING

from jfcelery.errors import ConnectionFailedError, HostError, JfceleryError
from jfcelery.scheduler_io.hosts.wire import split_at_marker, split_stderr

if TYPE_CHECKING:
    from jfcelery.scheduler_io.hosts.deadline import Deadline

#: Bytes read or written at once.
CHUNK = 32 * 1024
#: Bytes of stderr that are kept: the last ones.
STDERR_KEPT = 64 * 1024
#: Bytes of stdout that a command may print in all (transfers are not counted).
OUTPUT_LIMIT = 256 * 1024 * 1024
#: Bytes of noise (rc files, banners) before the marker.
NOISE_LIMIT = 1024 * 1024
#: Seconds between looks at whether a command ended whose streams are held open by a child.
SLICE = 0.2


class Process(ABC):
    """A command under way; its own output begins at a marker.

    Args:
        token: The marker.
        deadline: How long it may take.
    """

    def __init__(self, token: str, deadline: Deadline) -> None:
        self.deadline = deadline
        #: Process id of the shell on the host, once it said so.
        self.pid: int | None = None
        #: What to give back at the end.
        self.resources = ExitStack()
        self._token = token
        self._marked = False
        self._pending = bytearray()  # stdout that arrived while we were sending
        self._stderr = bytearray()

    # What a kind of process has to do ------------------------------------------------------

    @abstractmethod
    def _write(self, data: memoryview) -> int:
        """Send some bytes within a slice of time; 0: not now, -1: nobody reads any more."""

    @abstractmethod
    def _read(self, *, wait: bool) -> bytes | None:
        """Return the next piece of stdout, b"" at its end, None: nothing within the slice.

        What comes on stderr meanwhile goes to :meth:`_note_stderr`.
        """

    @abstractmethod
    def _exit_code(self) -> int:
        """Wait for the end and return the exit code; read the rest of stderr."""

    @abstractmethod
    def end_input(self) -> None:
        """Tell the command that its input ends here."""

    @abstractmethod
    def kill(self) -> None:
        """Kill the command with its whole process group, if the link still allows it."""

    @abstractmethod
    def _close(self) -> None:
        """Let go of the streams; never waits for the command."""

    # What all have in common -----------------------------------------------------------------

    def close(self) -> None:
        """Let go of everything; never waits for the command."""
        with self.resources:
            self._close()

    def send(self, data: bytes) -> bool:
        """Send input, taking in what the command prints meanwhile.

        Returns:
            False if the command reads no more; its exit code then says why.
        """
        view = memoryview(data)
        while view:
            self.deadline.left(SLICE)
            sent = self._write(view[:CHUNK])
            if sent < 0:
                return False
            if sent:
                self.deadline.progress()
                view = view[sent:]
            self._take_in(wait=False)
        return True

    def receive(self) -> bytes:
        """Return the next piece of the command's own stdout; b"" at the end."""
        while True:
            if self._marked and self._pending:
                piece = bytes(self._pending)
                self._pending.clear()
                return piece
            self.deadline.left(SLICE)
            if not self._take_in(wait=True):
                return b""

    def read_all(self, limit: int = OUTPUT_LIMIT) -> bytes:
        """Return the rest of the command's own stdout.

        Raises:
            HostError: It prints more than the limit.
        """
        whole = bytearray()
        while piece := self.receive():
            whole += piece
            if len(whole) > limit:
                raise HostError(f"{self.deadline.what}: printed more than {limit} bytes")
        return bytes(whole)

    def wait(self) -> int:
        """Return the exit code.

        Raises:
            HostError: The command did not begin, or nobody knows how it ended.
        """
        code = self._exit_code()
        if not self._marked:
            said = self.stderr.strip() or self._pending.decode(errors="replace").strip()
            raise self._not_begun(code, said[-2000:] or "it said nothing")
        return code

    def _not_begun(self, code: int, said: str) -> JfceleryError:
        """Return the error for a command that did not even begin."""
        return ConnectionFailedError(
            f"{self.deadline.what}: the login shell did not run the command "
            f"(exit code {code}): {said}",
            remedy="Log in by hand and look for an rc file that ends the shell.",
        )

    @property
    def stderr(self) -> str:
        """Return the end of what the command itself printed on stderr."""
        return split_stderr(bytes(self._stderr), self._token)[0].decode(errors="replace")

    @property
    def reached_end(self) -> bool:
        """Whether the command's shell lived to tell its exit code."""
        return split_stderr(bytes(self._stderr), self._token)[1]

    def _note_stderr(self, data: bytes) -> None:
        self._stderr += data
        if len(self._stderr) > 2 * STDERR_KEPT:
            del self._stderr[:-STDERR_KEPT]

    def _take_in(self, *, wait: bool) -> bool:
        """Add to the pending stdout; return False at its end."""
        piece = self._read(wait=wait)
        if piece:
            self.deadline.progress()
            self._pending += piece
            if not self._marked:
                self._look_for_marker()
            elif len(self._pending) > OUTPUT_LIMIT:
                raise HostError(f"{self.deadline.what}: printed more than {OUTPUT_LIMIT} bytes")
        return piece != b""

    def _look_for_marker(self) -> None:
        parts = split_at_marker(bytes(self._pending), self._token)
        if parts is not None:
            self._marked = True
            self.pid = int(parts[0])
            self._pending = bytearray(parts[1])
        elif len(self._pending) > NOISE_LIMIT:
            raise HostError(f"{self.deadline.what}: the login prints without end")
