"""A command under way on a host: three streams and an exit code."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING

from jfcelery.errors import ConnectionLostError, HostError, JfceleryError, NotOfferedError
from jfcelery.scheduler_io.hosts.wire import split_at_marker

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
#: Seconds between looks at the other stream, and at the time.
SLICE = 0.2
#: Markers on each stream of a command that came to its end.
MARKERS = 2


class Process(ABC):
    """A command under way; markers tell where its own output begins and ends.

    Args:
        token: The marker.
        deadline: How long it may take.
    """

    def __init__(self, token: str, deadline: Deadline) -> None:
        self.deadline = deadline
        #: Process id of the shell on the host, once it said so.
        self.pid: int | None = None
        #: Bytes of input that went out.
        self.sent = 0
        #: What to give back at the end.
        self.resources = ExitStack()
        self._token = token
        self._code: int | None = None
        self._pending = bytearray()
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
            False if the command reads no more; its answer then says why.
        """
        view = memoryview(data)
        while view:
            self.deadline.left(SLICE)
            sent = self._write(view[:CHUNK])
            if sent < 0:
                return False
            if sent:
                self.sent += sent
                self.deadline.progress()
                view = view[sent:]
            if self._code is None:
                self._take_in(wait=False)
        return True

    def receive(self) -> bytes:
        """Return the next piece of the command's own stdout; b"" at the end.

        Raises:
            HostError: The command did not begin, or its output is not whole.
        """
        while self._code is None and len(self._pending) <= self._held_back:
            self.deadline.left(SLICE)
            if not self._take_in(wait=True):
                raise self._cut_off()
        ready = len(self._pending) - (self._held_back if self._code is None else 0)
        piece = bytes(self._pending[:ready])
        del self._pending[:ready]
        return piece

    def read_all(self, limit: int = OUTPUT_LIMIT) -> bytes:
        """Return the rest of the command's own stdout.

        Raises:
            HostError: It prints more than the limit, did not begin, or is not whole.
        """
        whole = bytearray()
        while piece := self.receive():
            whole += piece
            if len(whole) > limit:
                raise HostError(f"{self.deadline.what}: printed more than {limit} bytes")
        return bytes(whole)

    def wait(self) -> int:
        """Return the exit code, once stderr is whole too; stdout that nobody read is dropped."""
        while self.receive():
            pass
        mark = re.compile(rf"\n{self._token} \d+(?=\n)".encode())
        while len(mark.findall(self._stderr)) < MARKERS:
            self.deadline.left(SLICE)
            if self._read(wait=True) == b"":
                break
        assert self._code is not None  # noqa: S101 - receive() came to the end
        return self._code

    @property
    def stderr(self) -> str:
        """Return the end of what the command itself printed on stderr."""
        text = bytes(self._stderr)
        if begin := split_at_marker(text, self._token):
            text = begin[2]
        if end := split_at_marker(text, self._token):
            text = end[0]
        return text.decode(errors="replace")

    @property
    def _held_back(self) -> int:
        """How many bytes may be the beginning of a marker."""
        return len(self._token) + 16 if self.pid is not None else NOISE_LIMIT

    def _cut_off(self) -> JfceleryError:
        """Return the error for a stream that ended before the command said so."""
        code = self._exit_code()
        if self.pid is None:
            said = self.stderr.strip() or self._pending.decode(errors="replace").strip()
            return self._not_begun(code, said[-2000:] or "it said nothing")
        return ConnectionLostError(
            f"{self.deadline.what}: the command was cut off (exit code {code})"
        )

    def _not_begun(self, code: int, said: str) -> JfceleryError:
        """Return the error for a command that did not even begin."""
        return NotOfferedError(
            f"{self.deadline.what}: the login shell did not run the command "
            f"(exit code {code}): {said}",
            remedy="Log in by hand and look for an rc file that ends the shell.",
        )

    def _note_stderr(self, data: bytes) -> None:
        self._stderr += data
        if len(self._stderr) > 2 * STDERR_KEPT:
            # The first marker goes too; leave one, so that they can be counted.
            mark = f"\n{self._token} 0\n".encode()
            self._stderr = bytearray(mark + self._stderr[-STDERR_KEPT:])

    def _take_in(self, *, wait: bool) -> bool:
        """Add to the pending stdout; return False at its end."""
        piece = self._read(wait=wait)
        if piece:
            self.deadline.progress()
            self._pending += piece
            self._look_for_markers(len(self._pending) - len(piece))
            if len(self._pending) > OUTPUT_LIMIT:
                raise HostError(f"{self.deadline.what}: printed more than {OUTPUT_LIMIT} bytes")
        return piece != b""

    def _look_for_markers(self, since: int) -> None:
        if self.pid is None and (begin := split_at_marker(self._pending, self._token)):
            self.pid = begin[1]
            self._pending, since = bytearray(begin[2]), 0
        if self.pid is None:
            if len(self._pending) > NOISE_LIMIT:
                raise HostError(f"{self.deadline.what}: the login prints without end")
        elif end := split_at_marker(self._pending, self._token, since - self._held_back):
            self._pending, self._code = bytearray(end[0]), end[1]
