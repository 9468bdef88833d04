"""How one machine is reached by SSH: the project file's options in the form that hosts use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from jfcelery.project.connection import ConnectionData
    from jfcelery.project.worker import BaseRemoteWorker

#: Seconds to wait for a connection where nothing else is said.
CONNECT_TIMEOUT = 20.0
#: Signs of life that may stay unanswered before a connection is taken to be dead.
ALIVE_COUNT = 3


@dataclass(frozen=True)
class Place:
    """One machine and the way to it.

    Args:
        host: Name, address or alias of ``~/.ssh/config``.
        user: Login name; None: as ``~/.ssh/config`` says.
        port: Port; None: as ``~/.ssh/config`` says.
        gateway: The machine before it, or a proxy command.
        connect_kwargs: Arguments of paramiko's ``SSHClient.connect``, secrets in clear.
        connect_timeout: Seconds to wait for each stage of a connection.
        keepalive: Seconds between two signs of life; 0: none.
        forward_agent: Whether the SSH agent is forwarded; None: as ``~/.ssh/config`` says.
    """

    host: str
    user: str | None = None
    port: int | None = None
    gateway: Place | str | None = None
    connect_kwargs: dict[str, Any] = field(default_factory=dict, repr=False)
    connect_timeout: float = CONNECT_TIMEOUT
    keepalive: int = 60
    forward_agent: bool | None = None

    @classmethod
    def of(cls, data: ConnectionData, worker: BaseRemoteWorker | None = None) -> Self:
        """Return the place that connection data of a project names.

        Args:
            data: The connection data.
            worker: Whose timeouts and keepalive hold for all machines on the way.
        """
        gateway = data.gateway
        timeout = worker.connect_timeout if worker else None
        keepalive = worker.keepalive if worker else None
        return cls(
            host=data.host,
            user=data.user,
            port=data.port,
            gateway=gateway
            if gateway is None or isinstance(gateway, str)
            else cls.of(gateway, worker),
            connect_kwargs=data.get_connect_kwargs(),
            connect_timeout=timeout or CONNECT_TIMEOUT,
            keepalive=60 if keepalive is None else keepalive,
            forward_agent=worker.forward_agent if worker else None,
        )

    @property
    def label(self) -> str:
        """The place as people write it: ``user@host:port``."""
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{user}{self.host}{port}"
