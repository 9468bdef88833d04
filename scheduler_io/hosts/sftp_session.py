"""An SFTP session: files written and read in flat memory, many requests ahead of the answers."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import paramiko
from paramiko.sftp import CMD_DATA, CMD_READ, SFTPError, int64

from jfcelery.errors import ConnectionLostError, HostTimeoutError, NotOfferedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from jfcelery.scheduler_io.hosts.deadline import Deadline

#: Bytes in one request; the protocol promises no more than these.
REQUEST = 32 * 1024
#: Requests to read that are under way at once: 4 MB.
AHEAD = 128


class Door(Protocol):
    """A host at which SFTP sessions can be opened."""

    name: str
    timeout: float

    def sftp(self, deadline: Deadline) -> AbstractContextManager[Session]:
        """Open a session.

        Raises:
            NotOfferedError: The host has no SFTP.
            HostError: There is no way to the host.
        """
        ...


class Session:
    """A session with an SFTP server.

    Args:
        channel: Where the server answers: paramiko's, or what has its ``send`` and ``recv``.
        deadline: How long nothing may move.

    Raises:
        NotOfferedError: There is no SFTP server, or a login that prints breaks its answers.
    """

    def __init__(self, channel: Any, deadline: Deadline) -> None:
        self.deadline = deadline
        try:
            self._client: Any = paramiko.SFTPClient(channel)
        except TimeoutError:
            raise HostTimeoutError(f"{deadline.what}: SFTP does not answer") from None
        except (SFTPError, paramiko.SSHException, EOFError, OSError) as exc:
            text = f"{deadline.what}: SFTP is off, or a login that prints breaks it: {exc}"
            raise NotOfferedError(text) from exc

    @contextmanager
    def named(self) -> Iterator[None]:
        """Tell troubles of the link from those of files, which stay an OSError."""
        try:
            yield
        except TimeoutError as exc:
            raise HostTimeoutError(self.deadline.why()) from exc
        except (paramiko.SSHException, SFTPError, EOFError) as exc:
            text = f"{self.deadline.what}: the connection broke during a transfer"
            raise ConnectionLostError(text) from exc
        except OSError as exc:
            # paramiko's word for a connection that is gone; a file's own trouble has another.
            if "socket is closed" not in str(exc).lower():
                raise
            text = f"{self.deadline.what}: the connection broke during a transfer"
            raise ConnectionLostError(text) from exc

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it, as far as they are not there.

        Raises:
            OSError: One cannot be made.
        """
        with self.named():
            missing: list[str] = []
            while path not in {"", "/"} and not self._there(path):
                missing.append(path)
                path = path.rpartition("/")[0]
            for folder in reversed(missing):
                try:
                    self._client.mkdir(folder)
                except OSError:  # somebody else was faster, or it cannot be made
                    if not self._there(folder):
                        raise

    def _there(self, path: str) -> bool:
        try:
            self._client.stat(path)
        except FileNotFoundError:
            return False
        return True

    def size(self, path: str) -> int | None:
        """Return a file's size; None if it is not there."""
        with self.named():
            try:
                return int(self._client.stat(path).st_size)
            except FileNotFoundError:
                return None

    def remove(self, path: str) -> None:
        """Remove a file.

        Raises:
            OSError: It cannot be removed.
        """
        with self.named():
            self._client.remove(path)

    def writer(self, path: str) -> Writer:
        """Return a new file to write.

        Raises:
            OSError: It cannot be made.
        """
        with self.named():
            stream = self._client.open(path, "wx")
        stream.set_pipelined(True)
        return Writer(self, stream)

    def reader(self, path: str) -> Reader:
        """Return a file to read.

        Raises:
            OSError: It cannot be read.
        """
        with self.named():
            stream = self._client.open(path, "r")
            return Reader(self, stream, int(stream.stat().st_size))


class Writer:
    """A file that is written; answers are taken in as they come.

    Args:
        session: The session.
        stream: The file.
    """

    def __init__(self, session: Session, stream: Any) -> None:
        self._session, self._stream = session, stream
        #: Bytes written so far.
        self.sent = 0

    def send(self, data: bytes) -> bool:
        """Write bytes.

        Raises:
            OSError: They cannot be written.
        """
        with self._session.named():
            self._stream.write(data)
        self.sent += len(data)
        self._session.deadline.progress()
        return True

    def close(self) -> None:
        """End the file, once all is written."""
        with self._session.named():
            self._stream.close()


class Reader:
    """A file that is read in order.

    paramiko's own read-ahead takes an answer that comes while it is still asking for the last one,
    and keeps what comes later for ever: memory would grow with the file.

    Args:
        session: The session.
        stream: The file.
        size: Its size in bytes.
    """

    def __init__(self, session: Session, stream: Any, size: int) -> None:
        self._session, self._client, self._stream = session, stream.sftp, stream
        self._size = size
        self._asked_to = 0
        self._asked: deque[tuple[int, int, int]] = deque()
        self._early: dict[int, tuple[int, Any]] = {}

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        """Keep an answer that came before its turn (called by paramiko)."""
        self._early[number] = (kind, message)

    def receive(self) -> bytes:
        """Return the next piece; b"" at the end.

        Raises:
            OSError: It cannot be read.
        """
        with self._session.named():
            while len(self._asked) < AHEAD and self._asked_to < self._size:
                length = min(REQUEST, self._size - self._asked_to)
                number = self._ask(self._asked_to, length)
                self._asked.append((number, self._asked_to, length))
                self._asked_to += length
            if not self._asked:
                return b""
            number, start, length = self._asked.popleft()
            data = self._answer(number)
            while len(data) < length:  # a server may give less than asked for
                data += self._answer(self._ask(start + len(data), length - len(data)))
        self._session.deadline.progress()
        return data

    def _ask(self, start: int, length: int) -> int:
        ask, handle = self._client._async_request, self._stream.handle  # noqa: SLF001 - see above
        return int(ask(self, CMD_READ, handle, int64(start), length))

    def _answer(self, number: int) -> bytes:
        kind, message = self._early.pop(number, (0, None))
        if message is None:
            kind, message = self._client._read_response(number)  # noqa: SLF001 - see above
        if kind != CMD_DATA:
            raise SFTPError("no data came")
        return bytes(message.get_string())
