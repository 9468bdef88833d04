"""This machine as a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jfcelery.scheduler_io.hosts.base import DEFAULT_TIMEOUT, Host
from jfcelery.scheduler_io.hosts.subprocess_process import SubprocessProcess

if TYPE_CHECKING:
    from jfcelery.scheduler_io.hosts.deadline import Deadline
    from jfcelery.scheduler_io.hosts.process import Process


class LocalHost(Host):
    """This machine: commands run as children, each in a process group of its own.

    Args:
        name: How it is called in messages.
        timeout: Seconds that a command may take.
        shell: The shell that commands are written for.
    """

    def __init__(
        self, name: str = "local", *, timeout: float = DEFAULT_TIMEOUT, shell: str = "bash"
    ) -> None:
        super().__init__(name, timeout=timeout)
        self._shell = shell

    def _start(self, script: str, token: str, deadline: Deadline) -> Process:
        return SubprocessProcess([self._shell, "-c", script], token=token, deadline=deadline)
