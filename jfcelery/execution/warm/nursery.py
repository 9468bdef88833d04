"""A process that has imported what jobs need, and forks one child for each of them."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jfcelery.errors import NurseryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: What every job imports sooner or later, beside jobflow itself.
MODULES = (
    "jfcelery.execution.run",
    "jfcelery.execution.failure",
    "jfcelery.execution.memory",
    "jfcelery.execution.outcome",
    "jfcelery.execution.warm.newborn",
    "jfcelery.flows.entries",
    "jobflow.core.schemas",
    "monty.json",
)
#: What the module ``signal`` is made of, without its enums: these cost more than most of a fork.
_signal: Any = importlib.import_module("_signal")
_ALL_SIGNALS = signal.valid_signals()
#: Seconds between two looks of a ``wait``.
POLL_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a child shall be.

    Args:
        folder: The run folder whose job it runs; also its working directory.
        attempt: Which attempt it is; None for what the folder's marker says.
        environment: Its environment, whole.
        streams: Descriptors that become its stdin, stdout and stderr.
        limits: Soft and hard limit by the numbers of ``resource.RLIMIT_…``.
        umask: Its umask; None for the parent's.
        cpus: The cores that it may use; None for the parent's.
        ignored: Numbers of the signals that it ignores from the start.
        report: Descriptor to which it writes lines of text: ``+`` and its pid before it runs the
            job, its exit code at the very end; or ``!`` and why it cannot run it.
    """

    folder: Path
    environment: Mapping[bytes, bytes]
    streams: tuple[int, int, int]
    attempt: int | None = None
    limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    umask: int | None = None
    cpus: frozenset[int] | None = None
    ignored: frozenset[int] = frozenset()
    report: int | None = None


class Child:
    """A job in a process of its own, which leads a session and a process group.

    Args:
        pid: The process.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self, *, end_group: bool = False) -> int | None:
        """Return the exit code, or minus the number of the signal that ended it; None if it runs.

        Args:
            end_group: Whether to kill what the job has left running in its process group.
        """
        if self._code is None and self._has_ended():
            if end_group:  # as long as it is not reaped, the number of its group is its own
                self.send(signal.SIGKILL)
            self._reap(os.WNOHANG)
        return self._code

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end; return as ``poll``, None after ``timeout`` seconds."""
        if timeout is None:
            self._reap(0)
            return self._code
        deadline = time.monotonic() + timeout
        while self.poll() is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return self._code

    def send(self, number: int) -> None:
        """Send a signal to the process group; nothing happens if the child was seen to end."""
        if self._code is not None:
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:  # it does not lead its group yet: signals wait until it does
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process group."""
        self.send(signal.SIGKILL)

    def _has_ended(self) -> bool:
        try:
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        return found is not None

    def _reap(self, flags: int) -> None:
        if self._code is not None:
            return
        try:
            pid, status = os.waitpid(self.pid, flags)
        except ChildProcessError:  # somebody else reaped it
            self._code = -signal.SIGKILL
            return
        if pid:
            self._code = os.waitstatus_to_exitcode(status)


class Nursery:
    """Imports once and forks for each job; the process must have a single thread of Python.

    Args:
        preload: Modules to import beside those that every job needs.
    """

    def __init__(self, preload: Sequence[str] = ()) -> None:
        self._preload = tuple(preload)
        self._kept: frozenset[int] = frozenset()
        self._is_prepared = False

    def prepare(self) -> None:
        """Import what jobs need.

        Raises:
            NurseryError: A module cannot be imported or starts threads, or this system cannot fork
                safely.
        """
        if not can_fork():
            raise NurseryError("jobs can be forked on Linux only")
        before = open_descriptors()
        _import_all(self._preload)
        self._kept = open_descriptors() - before
        if threading.active_count() > 1:
            names = ", ".join(t.name for t in threading.enumerate()[1:])
            raise NurseryError(f"threads run, so that this process cannot fork safely: {names}")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # what an import has printed is not to be printed again by each child
        gc.collect()
        gc.freeze()  # so that the children share these objects' memory
        self._is_prepared = True

    def start(self, order: Order) -> Child:
        """Fork a child that runs the job of a folder.

        Raises:
            NurseryError: There is no process to be had, or this one must not fork.
        """
        if not self._is_prepared:
            self.prepare()
        if threading.active_count() > 1:
            raise NurseryError("threads run, so that this process cannot fork safely")
        from jfcelery.execution.warm.newborn import live

        keep = self._kept | ({order.report} if order.report is not None else frozenset())
        with _signals_held():
            try:
                pid = os.fork()
            except OSError as error:
                raise NurseryError(f"no process can be forked: {error.strerror}") from error
            if pid == 0:
                live(order, keep)
        return Child(pid)


def can_fork() -> bool:
    """Return whether a process that has imported a lot can be forked on this system.

    Not on macOS, whose own libraries abort in a forked child:
    https://docs.python.org/3/library/os.html#os.fork .
    """
    return Path("/proc/self/fd").is_dir()


def open_descriptors() -> frozenset[int]:
    """Return the descriptors that this process has open."""
    with os.scandir("/proc/self/fd") as entries:
        numbers = {int(entry.name) for entry in entries}
    return frozenset(fd for fd in numbers if _is_open(fd))  # the listing had one of its own


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _import_all(preload: Sequence[str]) -> None:
    from jfcelery.execution.imports import import_jobflow
    from jfcelery.execution.run import versions

    import_jobflow()
    versions()
    for name in (*MODULES, *preload):
        try:
            importlib.import_module(name)
        except Exception as error:
            raise NurseryError(f"{name} cannot be imported: {error!r}") from error


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals wait, so that none reaches a child that still has its parent's handlers."""
    earlier = _signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)
    try:
        yield
    finally:
        _signal.pthread_sigmask(signal.SIG_SETMASK, earlier)
