"""A host that a person must log in to: one OpenSSH connection that all processes share."""

from __future__ import annotations

import subprocess
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from jfcelery.errors import (
    AuthenticationError,
    BackPressureError,
    ConnectionFailedError,
    HostError,
    JfceleryError,
    LoginNeededError,
    NotOfferedError,
)
from jfcelery.scheduler_io.hosts import openssh, scripts
from jfcelery.scheduler_io.hosts.asking import run_asking
from jfcelery.scheduler_io.hosts.base import DEFAULT_TIMEOUT, Host
from jfcelery.scheduler_io.hosts.child_pipe import ChildPipe
from jfcelery.scheduler_io.hosts.sftp_session import Session
from jfcelery.scheduler_io.hosts.subprocess_process import SubprocessProcess
from jfcelery.scheduler_io.hosts.wire import command_line, marked, new_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jfcelery.questions import Ask
    from jfcelery.scheduler_io.hosts.deadline import Deadline
    from jfcelery.scheduler_io.hosts.place import Place
    from jfcelery.scheduler_io.hosts.process import Process

#: sshd's MaxSessions where its administrator changed nothing.
MAX_SESSIONS = 10
#: The exit code by which ssh reports its own failures.
SSH_FAILED = 255
#: Seconds in which a command must be killed after it took too long.
KILL_TIMEOUT = 10.0
#: Seconds for an order to the master, which is a process of this machine.
ORDER_TIMEOUT = 10.0


class _SshProcess(SubprocessProcess):
    """A command through the master; ssh's own failures are told from the command's."""

    host: MultiplexedHost

    def _not_begun(self, code: int, said: str) -> JfceleryError:
        if code != SSH_FAILED:
            return super()._not_begun(code, said)
        if "refused by peer" in said or "open failed" in said:
            return BackPressureError(
                f"{self.deadline.what}: all sessions of its one connection are in use",
                remedy="limits.sessions_per_connection sets how many are used at once.",
            )
        return self.host.failure(said)

    def kill(self) -> None:
        """Kill the command on the host, and our end of it here."""
        if self.pid is not None:
            self.host.kill(self.pid, self._token)
        super().kill()


class MultiplexedHost(Host):
    """A host behind an OpenSSH master; every process of this machine may use it once one logged in.

    Args:
        place: The host and the way to it.
        worker: The worker's name, for the advice to log in.
        timeout: Seconds that a command may take.
        shell: The shell that commands are written for.
        login: Whether it reads the user's profile.
        max_sessions: Commands at once; one is kept free for killing those that take too long.
    """

    def __init__(
        self,
        place: Place,
        *,
        worker: str,
        timeout: float = DEFAULT_TIMEOUT,
        shell: str = "bash",
        login: bool = True,
        max_sessions: int = MAX_SESSIONS,
    ) -> None:
        super().__init__(place.label, timeout=timeout)
        self._room = threading.BoundedSemaphore(max(1, max_sessions - 1))
        self._place, self._worker = place, worker
        self._shell, self._login_shell = shell, login
        self._socket = openssh.socket_path(place)

    # The master ---------------------------------------------------------------------------

    @property
    def logged_in(self) -> bool:
        """Whether a master is there."""
        return self._order("check") == 0

    def login(self, ask: Ask | None = None, folder: Path | None = None) -> None:
        """Log in, asking a person for what the host wants.

        Args:
            ask: Asks the person; without it OpenSSH does so at the terminal.
            folder: Where a program for asking may be kept meanwhile.

        Raises:
            AuthenticationError: The login failed; OpenSSH said why, here or on the terminal.
        """
        if self.logged_in:
            return
        self._socket.unlink(missing_ok=True)  # of a master that was killed
        argv = openssh.master_argv(self._place, self._socket)
        said = "See what ssh said above."
        try:
            if ask is None:
                code = subprocess.run(argv, check=False).returncode
            else:
                where = folder or self._socket.parent
                code, said = run_asking(argv, ask, sockets=self._socket.parent, folder=where)
        except OSError as exc:
            raise ConnectionFailedError(f"cannot start ssh: {exc}") from exc
        if code or not self.logged_in:
            how = "given up" if code < 0 else f"exit code {code}"
            raise AuthenticationError(f"{self.name}: the login failed (ssh: {how})", remedy=said)

    def logout(self) -> None:
        """End the master and with it every session."""
        self._order("exit")

    def failure(self, said: str) -> HostError:
        """Return the error for a session that could not be opened."""
        if self.logged_in:
            return ConnectionFailedError(f"{self.name}: no session can be opened: {said}")
        return LoginNeededError(
            f"{self.name}: nobody is logged in",
            remedy=f"Run: jfc worker login {self._worker}",
        )

    def _order(self, order: str) -> int:
        argv = openssh.control_argv(self._place, self._socket, order)
        try:
            done = subprocess.run(argv, check=False, capture_output=True, timeout=ORDER_TIMEOUT)
        except (subprocess.TimeoutExpired, OSError):
            return -1
        return done.returncode

    # Commands -----------------------------------------------------------------------------

    def _start(self, script: str, token: str, deadline: Deadline) -> Process:
        line = command_line(script, shell=self._shell, login=self._login_shell)
        argv = openssh.session_argv(self._place, self._socket, line)
        while not self._room.acquire(timeout=deadline.left(1)):
            pass
        with ExitStack() as stack:
            stack.callback(self._room.release)
            process = _SshProcess(argv, token=token, deadline=deadline)
            process.host = self
            process.resources.push(stack.pop_all())
        return process

    @contextmanager
    def sftp(self, deadline: Deadline) -> Iterator[Session]:
        """Open an SFTP session.

        Raises:
            NotOfferedError: The host has no SFTP.
            HostError: There is no way to the host.
        """
        while not self._room.acquire(timeout=deadline.left(1)):
            pass
        with ExitStack() as stack:
            stack.callback(self._room.release)
            pipe = stack.enter_context(ChildPipe(openssh.sftp_argv(self._place, self._socket)))
            pipe.settimeout(self.timeout)
            try:
                yield Session(pipe, deadline)
            except NotOfferedError as exc:
                said = pipe.last_words()
                if "subsystem request failed" in said or self.logged_in:
                    raise
                raise self.failure(said) from exc

    def kill(self, pid: int, token: str) -> None:
        """Kill a command of ours on the host, as far as the link allows it."""
        probe = new_token()
        script = marked(scripts.kill(pid, token), probe)
        argv = openssh.session_argv(self._place, self._socket, command_line(script))
        try:
            subprocess.run(argv, check=False, capture_output=True, timeout=KILL_TIMEOUT)
        except (subprocess.TimeoutExpired, OSError):
            return
