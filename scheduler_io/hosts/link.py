"""One SSH connection, with those of the gateways before it."""

from __future__ import annotations

import contextlib
import getpass
import logging
import re
import shlex
import socket
from pathlib import Path
from typing import Any

import fabric
import paramiko
from paramiko.ssh_exception import NoValidConnectionsError

from jfcelery.errors import ConnectionFailedError, HostError, JfceleryError
from jfcelery.scheduler_io.hosts.deadline import Deadline
from jfcelery.scheduler_io.hosts.knownhosts import DEFAULT_FILES, KnownHosts, lookup_name
from jfcelery.scheduler_io.hosts.login import Login
from jfcelery.scheduler_io.hosts.place import Place
from jfcelery.scheduler_io.hosts.proxy import Proxy
from jfcelery.scheduler_io.hosts.pulse import Pulse
from jfcelery.scheduler_io.hosts.watchdog import WATCHDOG

# It writes a trace of each connection that breaks; what happened is told by our own error.
logging.getLogger("paramiko.transport").setLevel(logging.CRITICAL)

#: What our own :class:`Login` takes out of ``connect_kwargs``.
_LOGIN_KEYS = ("password", "passphrase", "key_filename", "pkey", "allow_agent", "look_for_keys")
#: How paramiko says that time was up; "No existing session" is its word for a missing banner.
_TIMED_OUT = re.compile(r"timed out|timeout|no existing session", re.IGNORECASE)
#: Stages of a connection that each may take ``connect_timeout``: TCP, banner, keys, login.
_STAGES = 4


class _CheckedKeys:
    """Compares the host's key with OpenSSH's known_hosts files, as a policy of paramiko's."""

    def __init__(self, known: KnownHosts, name: str, remedy: str) -> None:
        self._known, self._name, self._remedy = known, name, remedy

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:  # noqa: ARG002
        """Raise unless the key is the known one."""
        self._known.check(self._name, key.get_name(), key.get_base64(), self._remedy)


class Link:
    """An open SSH connection.

    Args:
        place: Where to, and how.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        config = load_ssh_config()
        self._connection = build(place, config)
        self._proxy = self._first_proxy(config)

    def open(self) -> None:
        """Connect and log in, gateways first.

        Raises:
            ConnectionFailedError: There is no way to the host.
            HostKeyError: It is not the host that is known.
            AuthenticationError: It refuses the login.
            LoginNeededError: It wants what only a person can give.
        """
        hops = self._hops()
        limit = self.place.connect_timeout * _STAGES * len(hops)
        deadline = Deadline(self.place.label, total=limit)
        try:
            with WATCHDOG.watch(deadline, self.close):
                if self._proxy is not None:
                    hops[-1].connect_kwargs["sock"] = self._proxy.start()
                self._connection.open()
        except JfceleryError:
            self.close()
            raise
        except (paramiko.SSHException, OSError, EOFError) as exc:
            self.close()
            raise connect_error(self.place, exc) from exc
        for hop in hops if self.place.keepalive else ():
            Pulse(hop.transport, self.place.keepalive, self.place.label)

    def _first_proxy(self, config: Any) -> Proxy | None:
        """Return the proxy command of the first machine on the way, if it has one."""
        place, hop = self.place, self._hops()[-1]
        while isinstance(place.gateway, Place):
            place = place.gateway
        command = place.gateway or config.lookup(hop.original_host).get("proxycommand", "none")
        if command.lower() == "none":
            return None
        return Proxy(command, host=hop.host, port=hop.port, user=hop.user)

    def _hops(self) -> list[Any]:
        """Return the connections on the way, the host's own first."""
        hops, one = [], self._connection
        while isinstance(one, fabric.Connection):
            hops.append(one)
            one = one.gateway
        return hops

    @property
    def transport(self) -> Any:
        """The paramiko transport; None before the connection is opened."""
        return self._connection.transport

    @property
    def alive(self) -> bool:
        """Whether it is open, as far as anybody noticed."""
        return all(hop.transport is not None and hop.transport.is_active() for hop in self._hops())

    @property
    def forward_agent(self) -> bool:
        """Whether the SSH agent is forwarded."""
        return bool(self._connection.forward_agent)

    def close(self) -> None:
        """Close the connection and those of its gateways."""
        for hop in self._hops():
            with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
                hop.client.close()
        if self._proxy is not None:
            self._proxy.end()


def load_ssh_config() -> Any:
    """Return the person's and the system's OpenSSH client configuration."""
    config = paramiko.SSHConfig()
    for name in ("~/.ssh/config", "/etc/ssh/ssh_config"):
        path = Path(name).expanduser()
        if path.is_file():
            with path.open() as stream:
                config.parse(stream)
    return config


def build(place: Place, ssh_config: Any) -> Any:
    """Return the fabric connection to a place, not opened yet."""
    settings = fabric.Config(ssh_config=ssh_config, lazy=True)
    entry = ssh_config.lookup(place.host)
    connection: Any = fabric.Connection(
        place.host,
        user=place.user,
        port=place.port,
        config=settings,
        gateway=_gateway(place, entry, ssh_config),
        connect_timeout=place.connect_timeout,
        forward_agent=place.forward_agent,
    )
    known = KnownHosts(
        shlex.split(entry.get("userknownhostsfile", "")) + list(DEFAULT_FILES[2:])
        if "userknownhostsfile" in entry
        else DEFAULT_FILES
    )
    name = entry.get("hostkeyalias") or lookup_name(connection.host, connection.port)
    connection.client.set_missing_host_key_policy(
        _CheckedKeys(known, name, _scan_command(connection))
    )
    connection.connect_kwargs = _connect_kwargs(place, entry, connection, known.keys(name))
    return connection


def _gateway(place: Place, entry: Any, ssh_config: Any) -> Any:
    """Return the connection to the machine before; False, which fabric wants, if there is none."""
    if isinstance(place.gateway, Place):
        return build(place.gateway, ssh_config)
    jumps = entry.get("proxyjump", "none")
    if place.gateway or jumps.lower() == "none":
        return False
    return build(_jump(place, jumps.split(",")), ssh_config)


def _jump(place: Place, hops: list[str]) -> Place:
    """Return the last of a chain of ``[user@]host[:port]``, each reached through the one before."""
    user, _, rest = hops[-1].strip().rpartition("@")
    host, _, port = rest.rpartition(":") if rest.count(":") == 1 else (rest, "", "")
    return Place(
        host=host.strip("[]"),
        user=user or None,
        port=int(port) if port else None,
        gateway=_jump(place, hops[:-1]) if hops[:-1] else None,
        connect_timeout=place.connect_timeout,
        keepalive=place.keepalive,
    )


def _connect_kwargs(place: Place, entry: Any, connection: Any, known: list[Any]) -> dict[str, Any]:
    given = dict(place.connect_kwargs)
    login = {name: given.pop(name, None) for name in _LOGIN_KEYS}
    own = login["key_filename"] or []
    files = [own] if isinstance(own, str) else list(own)
    only = entry.get("identitiesonly", "no").lower() == "yes" and bool(entry.get("identityfile"))
    timeout = place.connect_timeout
    given.pop("timeout", None)
    return {
        "banner_timeout": timeout,
        "auth_timeout": timeout,
        "channel_timeout": timeout,
        **given,
        "transport_factory": _transport_factory([key.key_type for key in known]),
        "auth_strategy": Login(
            user=connection.user or getpass.getuser(),
            host=f"{connection.user}@{connection.host}:{connection.port}",
            key_files=[*files, *entry.get("identityfile", [])],
            passphrase=login["passphrase"],
            password=login["password"],
            pkey=login["pkey"],
            use_agent=not only if login["allow_agent"] is None else login["allow_agent"],
            use_defaults=not only if login["look_for_keys"] is None else login["look_for_keys"],
        ),
    }


def _transport_factory(known_types: list[str]) -> Any:
    """Return a maker of transports that ask for a known key first and send at once."""
    wanted = set(known_types)
    if "ssh-rsa" in wanted:
        wanted |= {"rsa-sha2-512", "rsa-sha2-256"}

    def make(sock: Any, **options: Any) -> Any:
        if isinstance(sock, socket.socket) and sock.family != socket.AF_UNIX:
            # paramiko leaves Nagle's algorithm on: 48 ms a command in place of 4.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        transport = paramiko.Transport(sock, **options)
        security = transport.get_security_options()
        kinds = list(security.key_types)
        security.key_types = sorted(kinds, key=lambda kind: kind not in wanted)
        return transport

    return make


def _scan_command(connection: Any) -> str:
    scan = f"ssh-keyscan -p {connection.port} {shlex.quote(connection.host)}"
    gateway = connection.gateway
    if isinstance(gateway, fabric.Connection):
        scan = f"ssh -p {gateway.port} {gateway.user}@{gateway.host} {scan}"
    return f"If you trust the network, run: {scan} >> ~/.ssh/known_hosts"


def connect_error(place: Place, exc: Exception) -> HostError:
    """Return the error for a connection that did not come about."""
    if isinstance(exc, socket.gaierror):
        why, remedy = "nobody knows this host name", "Check host in the project file."
    elif isinstance(exc, NoValidConnectionsError):
        why = "; ".join(sorted({getattr(error, "strerror", "") for error in exc.errors.values()}))
        remedy = "Check host and port, and whether the machine is up."
    elif isinstance(exc, TimeoutError) or _TIMED_OUT.search(str(exc)):
        why = f"no answer within {place.connect_timeout:g} s"
        remedy = "Check whether the machine is up and a firewall lets you through."
    elif isinstance(exc, paramiko.ChannelException):
        why, remedy = f"the gateway cannot reach it ({exc})", "Check host and port as seen from it."
    elif isinstance(exc, EOFError | ConnectionResetError) or "banner" in str(exc):
        why = "the port answers, but not with SSH, or it closed at once"
        remedy = "Too many logins, a ban, a wrong port? Try the same with: ssh -v"
    else:
        why, remedy = f"{type(exc).__name__}: {exc}".rstrip(": "), ""
    return ConnectionFailedError(f"{place.label}: cannot connect: {why}", remedy=remedy)
