"""A host reached by SSH, through paramiko and fabric."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import paramiko
from paramiko.agent import AgentRequestHandler

from jfcelery.errors import ConnectionLostError, HostError, HostTimeoutError, NotOfferedError
from jfcelery.scheduler_io.hosts import scripts
from jfcelery.scheduler_io.hosts.base import DEFAULT_TIMEOUT, Host
from jfcelery.scheduler_io.hosts.channel_process import ChannelProcess
from jfcelery.scheduler_io.hosts.deadline import Deadline
from jfcelery.scheduler_io.hosts.sessions import MAX_SESSIONS, Sessions
from jfcelery.scheduler_io.hosts.sftp_session import Session
from jfcelery.scheduler_io.hosts.watchdog import WATCHDOG
from jfcelery.scheduler_io.hosts.wire import command_line, marked, new_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.scheduler_io.hosts.link import Link
    from jfcelery.scheduler_io.hosts.place import Place
    from jfcelery.scheduler_io.hosts.process import Process

#: Seconds in which a connection must prove that it lives after a command timed out on it.
PROBE_TIMEOUT = 10.0


class SshHost(Host):
    """A host reached by SSH; thread-safe, and connected again by itself when the link breaks.

    Args:
        place: The host and the way to it.
        timeout: Seconds that a command may take.
        shell: The shell that commands are written for.
        login: Whether it reads the user's profile.
        max_sessions: Commands at once on one connection.
    """

    def __init__(
        self,
        place: Place,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        shell: str = "bash",
        login: bool = True,
        max_sessions: int = MAX_SESSIONS,
    ) -> None:
        super().__init__(place.label, timeout=timeout)
        self._shell, self._login = shell, login
        self._sessions = Sessions(place, limit=max_sessions)

    def close(self) -> None:
        """Close every connection; the next use opens them again."""
        self._sessions.close()

    def _start(self, script: str, token: str, deadline: Deadline) -> Process:
        line = command_line(script, shell=self._shell, login=self._login)
        channel, link, release = self._sessions.open(deadline)
        with ExitStack() as stack:
            stack.callback(release)
            stack.enter_context(WATCHDOG.watch(deadline, lambda: self._sessions.discard(link)))
            try:
                if link.forward_agent:
                    stack.callback(AgentRequestHandler(channel).close)
                channel.exec_command(line)
            except (paramiko.SSHException, OSError, EOFError) as exc:
                deadline.left(1)  # the watchdog's work is a timeout, not a loss
                raise ConnectionLostError(f"{self.name}: the connection broke: {exc}") from exc
            process = ChannelProcess(
                channel,
                token=token,
                deadline=deadline,
                kill=lambda pid: self._kill(link, pid, token),
            )
            process.resources.push(stack.pop_all())
        return process

    @contextmanager
    def sftp(self, deadline: Deadline) -> Iterator[Session]:
        """Open an SFTP session.

        Raises:
            NotOfferedError: The host has no SFTP.
            HostError: There is no way to the host.
        """
        channel, link, release = self._sessions.open(deadline)
        with ExitStack() as stack:
            stack.callback(release)
            stack.callback(_shut, channel)
            stack.enter_context(WATCHDOG.watch(deadline, lambda: self._sessions.discard(link)))
            channel.settimeout(self.timeout)
            try:
                with contextlib.suppress(paramiko.SSHException):  # refused: the session says so
                    channel.invoke_subsystem("sftp")
                yield Session(channel, deadline)
            except NotOfferedError as exc:
                if link.alive:
                    raise
                raise ConnectionLostError(f"{self.name}: the connection broke: {exc}") from exc
            except HostTimeoutError:
                self._kill(link, None, "")
                raise

    def _kill(self, link: Link, pid: int | None, token: str) -> None:
        """Kill a command that took too long; a connection that cannot do that is dead."""
        script = scripts.kill(pid, token) if pid is not None else ":"
        deadline = Deadline(self.name, total=PROBE_TIMEOUT)
        probe = new_token()
        line = command_line(marked(script, probe), shell=self._shell)
        try:
            with WATCHDOG.watch(deadline, link.close):
                channel = link.transport.open_session(timeout=PROBE_TIMEOUT)
                channel.exec_command(line)
                process = ChannelProcess(channel, token=probe, deadline=deadline, kill=_nothing)
                with contextlib.closing(process):
                    process.read_all()
        except paramiko.ChannelException:
            return  # no session left for it, but the host did answer
        except (HostError, paramiko.SSHException, OSError, EOFError):
            self._sessions.discard(link)


def _nothing(_pid: int | None) -> None:
    """A probe that takes too long needs no killing."""


def _shut(channel: paramiko.Channel) -> None:
    """Close a channel; there is nothing to close if the connection broke meanwhile."""
    with contextlib.suppress(EOFError, OSError):
        channel.close()
