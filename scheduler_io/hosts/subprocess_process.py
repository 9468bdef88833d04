"""A command in a child process of this machine: the local host's, and that of ``ssh``."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from typing import TYPE_CHECKING

from jfcelery.errors import ConnectionFailedError
from jfcelery.scheduler_io.hosts.process import CHUNK, SLICE, Process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jfcelery.scheduler_io.hosts.deadline import Deadline

#: Seconds for the shell to exit once it said that the command ended.
EXIT_TIMEOUT = 5.0


class SubprocessProcess(Process):
    """A child process, leader of a process group of its own.

    Args:
        argv: Program and arguments.
        token: The marker at which its own output begins.
        deadline: How long it may take.
        env: Its environment; None: ours.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        token: str,
        deadline: Deadline,
        env: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(token, deadline)
        try:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=env,
                start_new_session=True,
            )
        except OSError as exc:
            raise ConnectionFailedError(f"{deadline.what}: cannot start {argv[0]}: {exc}") from exc
        self._selector = selectors.DefaultSelector()
        for name in ("stdin", "stdout", "stderr"):
            os.set_blocking(getattr(self._child, name).fileno(), False)
        self._selector.register(self._fd("stdout"), selectors.EVENT_READ, "stdout")
        self._selector.register(self._fd("stderr"), selectors.EVENT_READ, "stderr")

    def _fd(self, name: str) -> int:
        stream = getattr(self._child, name)
        return int(stream.fileno())

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._fd("stdin"), data)
        except BlockingIOError:
            pass
        except (BrokenPipeError, ValueError):
            return -1
        self._selector.register(self._fd("stdin"), selectors.EVENT_WRITE, "stdin")
        try:
            self._selector.select(self.deadline.left(SLICE))
        finally:
            self._selector.unregister(self._fd("stdin"))
        return 0

    def _read(self, *, wait: bool) -> bytes | None:
        ready = self._selector.select(self.deadline.left(SLICE) if wait else 0)
        names = {key.data for key, _ in ready}
        if "stderr" in names:
            self._read_stderr()
        if "stdout" in names:
            return os.read(self._fd("stdout"), CHUNK)
        return None

    def _read_stderr(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._fd("stderr"), CHUNK)
            if data:
                self._note_stderr(data)
                return True
            self._selector.unregister(self._fd("stderr"))
        return False

    def _exit_code(self) -> int:
        self.end_input()
        code: int | None = None
        while code is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._child.wait(self.deadline.left(SLICE))
            self._drain()  # it may wait for us to read
        return code

    def _drain(self) -> None:
        while self._read_stderr_if_registered():
            pass

    def _read_stderr_if_registered(self) -> bool:
        registered = any(key.data == "stderr" for key in self._selector.get_map().values())
        return registered and self._read_stderr()

    def end_input(self) -> None:
        """Close the child's stdin."""
        if self._child.stdin is not None:
            with contextlib.suppress(OSError):
                self._child.stdin.close()

    def kill(self) -> None:
        """Kill the child's process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def _close(self) -> None:
        """Close the pipes, and see to it that no zombie stays."""
        self._selector.close()
        for stream in (self._child.stdin, self._child.stdout, self._child.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if self._code is None:
            self.kill()
        try:
            self._child.wait(EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(EXIT_TIMEOUT)
