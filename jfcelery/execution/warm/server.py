"""The warm server of one environment: it imports once, and forks a child for each job.

``python -m jfcelery.execution.warm.server SOCKET MODULES``, started by ``client`` with the
listening socket as descriptor 3. It ends by itself: when nothing was to be done for a while, after
many jobs, when what it has imported changes, when its socket is gone, or when told to; never as
long as jobs of its own run.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.errors import NurseryError
from jfcelery.execution.warm import limits
from jfcelery.execution.warm.nursery import Nursery, Order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.execution.warm.freshness import Freshness
    from jfcelery.execution.warm.nursery import Child

#: Descriptor of the listening socket.
LISTENER = 3
#: Bytes of a request's first line: ``run``, or ``retire``, and how many bytes follow.
HEAD = 15
#: Bytes that a request may have: the kernel gives no program a larger environment.
LONGEST = 8_000_000

_STREAMS = 3


@dataclass(eq=False)
class Guest:
    """A client, from its call to the end of its job.

    Args:
        line: The connection.
    """

    line: socket.socket
    heard: bytearray = field(default_factory=bytearray)
    descriptors: list[int] = field(default_factory=list)
    child: Child | None = None

    def hear(self) -> bool:
        """Take what has come; return whether the client is still there."""
        while True:
            try:
                data, fds, *_ = socket.recv_fds(self.line, 65536, _STREAMS + 1)
            except BlockingIOError:
                return True
            except OSError:
                return False
            self.descriptors += fds
            if not data:
                return False
            self.heard += data

    @property
    def request(self) -> tuple[str, bytes] | None:
        """What is wanted: ``run`` and the order, ``retire``, or nonsense; None if more comes."""
        if len(self.heard) < HEAD:
            return None
        word, _, length = bytes(self.heard[:HEAD]).partition(b" ")
        if word == b"retire":
            return "retire", b""
        size = int(length) if length.strip().isdigit() else LONGEST + 1
        if word != b"run" or size > LONGEST or len(self.descriptors) != _STREAMS + 1:
            return "nonsense", b""
        if len(self.heard) < HEAD + size:
            return None
        order = bytes(self.heard[HEAD : HEAD + size])
        del self.heard[: HEAD + size]
        return "run", order

    def say(self, text: str) -> None:
        """Tell the client something, if it is there."""
        with contextlib.suppress(OSError):
            self.line.sendall(" ".join(text.split()).encode(errors="replace") + b"\n")

    def close_descriptors(self) -> None:
        """Close what the client has handed over: it is the child's now."""
        for fd in self.descriptors:
            os.close(fd)
        self.descriptors = []


class Server:
    """Serves the clients of one socket.

    Args:
        listener: Where they call.
        path: The socket's path.
        nursery: What forks.
    """

    def __init__(self, listener: socket.socket, path: Path, nursery: Nursery) -> None:
        self._listener: socket.socket | None = listener
        self._path = path
        self._nursery = nursery
        self._inode = _inode(path)
        self._guests: dict[int, Guest] = {}
        self._children: list[tuple[Child, Guest]] = []
        self._retirers: list[Guest] = []
        self._refusal = ""
        self._fresh: Freshness | None = None
        self._started = time.time_ns()
        self._jobs = 0
        self._used = time.monotonic()

    def serve(self) -> None:
        """Serve until there is nothing more to do."""
        waking = _wake_by_signals()
        self._prepare()
        while self._listener is not None or self._children or self._guests:
            for fd in _ready([waking, *self._lines()], limits.LOOK_SECONDS):
                if fd == waking:
                    self._wake(waking)
                elif fd in self._guests:
                    self._hear(self._guests[fd])
                else:
                    self._accept()
            self._reap()
            if self._listener is not None and self._is_over():
                self.retire()
            if self._children:  # whoever wants the end need not wait for the jobs
                while self._retirers:
                    self._retirers.pop().line.close()

    def retire(self) -> None:
        """Take no more clients; a new server may take the place at once."""
        if self._listener is None:
            return
        if _inode(self._path) == self._inode:
            self._path.unlink(missing_ok=True)
        self._accept()  # who called before the socket was gone is told to call again
        self._listener.close()
        self._listener = None
        for guest in list(self._guests.values()):
            if guest.child is None:
                self._dismiss(guest, "retired")

    def _prepare(self) -> None:
        from jfcelery.execution.warm.freshness import Freshness

        try:
            self._nursery.prepare()
        except NurseryError as error:
            self._refusal = error.message
            _log(f"jobs start cold: {error.message}")
        self._fresh = Freshness.now(since=self._started)
        self._used = time.monotonic()

    def _lines(self) -> list[int]:
        lines = [] if self._listener is None else [self._listener.fileno()]
        return [*lines, *self._guests]

    def _wake(self, waking: int) -> None:
        if signal.SIGTERM in os.read(waking, 4096):
            self.retire()

    def _is_over(self) -> bool:
        busy = bool(self._children or self._guests)
        idle = not busy and time.monotonic() - self._used > limits.IDLE_SECONDS
        return idle or self._jobs >= limits.MAX_JOBS or _inode(self._path) != self._inode

    def _accept(self) -> None:
        while self._listener is not None:
            try:
                line, _ = self._listener.accept()
            except BlockingIOError:
                return
            line.settimeout(0)
            if _uid_of(line) == os.geteuid():
                self._guests[line.fileno()] = Guest(line)
            else:
                line.close()

    def _hear(self, guest: Guest) -> None:
        is_there = guest.hear()
        if guest.child is not None:
            self._pass_on(guest, guest.child)
        if not is_there:
            if guest.child is not None:
                guest.child.kill()
            self._dismiss(guest)
        elif guest.child is None and (request := guest.request) is not None:
            self._answer(guest, *request)

    def _pass_on(self, guest: Guest, child: Child) -> None:
        """Send the signals to the job that its client got."""
        while b"\n" in guest.heard:
            text, _, guest.heard = guest.heard.partition(b"\n")
            with contextlib.suppress(ValueError):
                child.send(int(text))

    def _answer(self, guest: Guest, word: str, order: bytes) -> None:
        self._used = time.monotonic()
        if word == "retire":
            del self._guests[guest.line.fileno()]
            self._retirers.append(guest)  # its line is closed when this process ends
            self.retire()
        elif word != "run":
            self._dismiss(guest, "cold nonsense")
        elif self._fresh is not None and (path := self._fresh.changed()):
            _log(f"{path} has changed")
            self.retire()
        elif self._refusal:
            self._dismiss(guest, f"cold {self._refusal}")
        else:
            self._start(guest, order)

    def _start(self, guest: Guest, order: bytes) -> None:
        try:
            guest.child = self._nursery.start(_order_of(order, guest.descriptors))
        except (NurseryError, ValueError, EOFError, TypeError) as error:
            return self._dismiss(guest, f"cold {error}")
        self._jobs += 1
        guest.close_descriptors()
        self._children.append((guest.child, guest))
        return None

    def _reap(self) -> None:
        for child, guest in list(self._children):
            code = child.poll()
            if code is None:
                continue
            self._children.remove((child, guest))
            self._used = time.monotonic()
            self._dismiss(guest, f"exit {code}" if code >= 0 else f"signal {-code}")

    def _dismiss(self, guest: Guest, text: str = "") -> None:
        """Part with a client; nothing happens if that is done."""
        if self._guests.get(guest.line.fileno()) is not guest:
            return
        del self._guests[guest.line.fileno()]
        if text:
            guest.say(text)
        guest.close_descriptors()
        guest.line.close()


def _order_of(text: bytes, descriptors: Sequence[int]) -> Order:
    # It comes from a process of the same user, who could run anything anyway.
    folder, environment, umask, ignored = marshal.loads(text)  # noqa: S302  # nosec B302
    stdin, stdout, stderr, report = descriptors
    return Order(
        folder=Path(folder),
        environment=environment,
        streams=(stdin, stdout, stderr),
        umask=umask,
        ignored=frozenset(ignored),
        report=report,
    )


def _ready(lines: list[int], seconds: float) -> list[int]:
    poll = select.poll()
    for fd in lines:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll(seconds * 1000)]


def _wake_by_signals() -> int:
    """Return a descriptor on which the numbers of signals can be read: a child ended, TERM."""
    reading, writing = os.pipe()
    for fd in (reading, writing):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, meant for others
    return reading


def _uid_of(line: socket.socket) -> int:
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)


def _inode(path: Path) -> int:
    try:
        return path.lstat().st_ino
    except OSError:
        return 0


def _log(text: str) -> None:
    os.write(2, f"{time.strftime('%F %T')} server {os.getpid()}: {text}\n".encode())


def main(arguments: Sequence[str]) -> int:
    """Serve at the socket that was handed over as a descriptor."""
    if sys.path and sys.path[0] == str(Path.cwd()):
        del sys.path[0]  # as a cold job does
    path, modules = arguments
    listener = socket.socket(fileno=LISTENER)
    listener.settimeout(0)
    os.set_inheritable(LISTENER, False)  # noqa: FBT003  # it takes no names
    os.environb.pop(b"JFC_QUEUE_ID", None)
    preload = [] if modules == "-" else modules.split(",")
    try:
        Server(listener, Path(path), Nursery(preload)).serve()
    except Exception as error:  # noqa: BLE001  # its jobs go on without it
        _log(f"ends: {error!r}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
