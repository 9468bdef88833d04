"""Command lines of the system's OpenSSH client for a place."""

from __future__ import annotations

import hashlib
import os
import pwd
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.errors import HostError
from jfcelery.scheduler_io.hosts.place import ALIVE_COUNT, Place

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where the sockets lie: a path must be short (a unix address holds some 100 bytes), on a disk of
#: this machine, and the same for every process of the user, whatever their TMPDIR.
SOCKETS = "/tmp/jfcelery-ssh-{uid}"  # noqa: S108 - checked to be a folder of the user's own


def ssh_options(place: Place) -> list[str]:
    """Return the options that reach a place: user, port, keys, gateways."""
    options = [*_home_options(), "-o", f"ConnectTimeout={max(1, round(place.connect_timeout))}"]
    if place.user:
        options += ["-l", place.user]
    if place.port:
        options += ["-p", str(place.port)]
    names = place.connect_kwargs.get("key_filename") or []
    for name in [names] if isinstance(names, str) else names:
        options += ["-i", str(Path(name).expanduser())]
    if isinstance(place.gateway, Place):
        gateway = ["ssh", *ssh_options(place.gateway), "-W", "%h:%p", "--", place.gateway.host]
        # The gateway's own options must not be taken for %-signs of this one.
        words = [word if word == "%h:%p" else word.replace("%", "%%") for word in gateway]
        options += ["-o", f"ProxyCommand={shlex.join(words)}"]
    elif place.gateway:
        options += ["-o", f"ProxyCommand={place.gateway}"]
    if place.forward_agent is not None:
        options += ["-o", f"ForwardAgent={'yes' if place.forward_agent else 'no'}"]
    return options


def _home_options() -> list[str]:
    """Return the options that make ssh read the files of ``$HOME``, as paramiko does.

    By itself it takes the home directory from the user database.
    """
    home = Path.home()
    if str(home) == pwd.getpwuid(os.getuid()).pw_dir:
        return []
    config = home / ".ssh" / "config"
    files = [home / ".ssh" / name for name in ("known_hosts", "known_hosts2")]
    return [
        *(["-F", str(config)] if config.exists() else []),
        *("-o", f"UserKnownHostsFile={' '.join(shlex.quote(str(file)) for file in files)}"),
    ]


def master_argv(place: Place, socket_path: Path) -> list[str]:
    """Return the command that logs in and leaves a master in the background."""
    alive = place.keepalive or 60
    return [
        *("ssh", "-M", "-N", "-f", "-S", str(socket_path)),
        *("-o", "ControlPersist=yes", "-o", f"ServerAliveInterval={alive}"),
        *("-o", f"ServerAliveCountMax={ALIVE_COUNT}", "-o", "TCPKeepAlive=yes"),
        *("-o", "ExitOnForwardFailure=no", "-o", "ClearAllForwardings=yes"),
        *ssh_options(place),
        *("--", place.host),
    ]


def session_argv(place: Place, socket_path: Path, command: str) -> list[str]:
    """Return the command that runs another one through the master, and never logs in itself.

    Without a master ssh would log in anew; failed logins may lock the account, so the proxy
    command, of which a session through the master has no need, fails at once.
    """
    return [
        *("ssh", "-S", str(socket_path), "-o", "ControlMaster=no", "-o", "BatchMode=yes"),
        *("-o", "ProxyCommand=false", "-T"),
        *user_and_port(place),
        *("--", place.host, command),
    ]


def sftp_argv(place: Place, socket_path: Path) -> list[str]:
    """Return the command that speaks SFTP through the master."""
    *options, dashes, host, subsystem = session_argv(place, socket_path, "sftp")
    return [*options, "-s", dashes, host, subsystem]


def control_argv(place: Place, socket_path: Path, order: str) -> list[str]:
    """Return the command that sends an order (``check``, ``exit``) to the master."""
    return ["ssh", "-S", str(socket_path), "-O", order, *user_and_port(place), "--", place.host]


def user_and_port(place: Place) -> Sequence[str]:
    """Return the options that name the user and the port."""
    user = ["-l", place.user] if place.user else []
    return [*user, *(["-p", str(place.port)] if place.port else [])]


def socket_path(place: Place) -> Path:
    """Return the path of the master's socket, the same for all processes of this machine.

    Raises:
        HostError: The folder for sockets belongs to somebody else.
    """
    folder = Path(SOCKETS.format(uid=os.getuid()))
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise HostError(
            f"{folder} is not a folder of yours alone",
            remedy=f"Remove it, or: chmod 700 {folder}",
        )
    names = (socket.gethostname(), str(Path.home()), _identity(place))
    return folder / hashlib.sha256("\0".join(names).encode()).hexdigest()[:16]


def _identity(place: Place) -> str:
    before = _identity(place.gateway) if isinstance(place.gateway, Place) else place.gateway or ""
    return f"{place.label} via {before}"
