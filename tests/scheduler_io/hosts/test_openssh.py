"""Command lines for the system's OpenSSH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from jfcelery.errors import HostError
from jfcelery.scheduler_io.hosts import openssh
from jfcelery.scheduler_io.hosts.place import Place

SOCKET = Path("/tmp/s")


def effective(argv: list[str]) -> dict[str, str]:
    """Return the options that ssh itself takes from a command line."""
    done = subprocess.run(["ssh", "-G", *argv[1:]], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_master(tmp_path: Path) -> None:
    """The master goes to the right place and notices a dead link."""
    key = tmp_path / "key"
    key.touch()
    given = {"key_filename": [str(key)]}
    place = Place("cluster", "me", 2222, keepalive=9, connect_kwargs=given)
    options = effective(openssh.master_argv(place, SOCKET))
    wanted = {
        "hostname": "cluster",
        "user": "me",
        "port": "2222",
        "identityfile": str(key),
        "serveraliveinterval": "9",
        "controlmaster": "true",
        "controlpath": str(SOCKET),
    }
    assert {name: options[name] for name in wanted} == wanted


def test_session_never_logs_in() -> None:
    """Without a master a session fails at once in place of a login that could lock the account."""
    place = Place("cluster", "me", 2222, gateway=Place("gw"))
    argv = openssh.session_argv(place, SOCKET, "true")
    options = effective(argv[:-1])
    assert options["proxycommand"] == "false"
    assert options["batchmode"] == "yes"
    assert options["controlmaster"] == "false"
    done = subprocess.run(argv, capture_output=True, check=False, timeout=30)
    assert done.returncode == 255


def test_gateways() -> None:
    """Gateways become nested proxy commands, and a percent sign in a path stays one."""
    outer = Place("outer", port=1, connect_kwargs={"key_filename": "/k%h"})
    place = Place("cluster", gateway=Place("inner", "you", gateway=outer))
    command = effective(openssh.master_argv(place, SOCKET))["proxycommand"]
    assert command.endswith(("-W %h:%p -- inner'", "-W %h:%p -- inner"))
    assert "-l you" in command
    assert "%%%%h" in command  # two levels down
    assert "outer" in command


def test_host_that_looks_like_an_option() -> None:
    """A host's name is never taken for an option."""
    argv = openssh.session_argv(Place("-oProxyCommand=touch /tmp/evil"), SOCKET, "true")
    assert argv.index("--") < argv.index("-oProxyCommand=touch /tmp/evil")


def test_socket_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The socket's path is short, the same each time, different for each place, and private."""
    assert len(openssh.SOCKETS.format(uid=2**31)) < 60
    monkeypatch.setattr(openssh, "SOCKETS", str(tmp_path / "s{uid}"))
    paths = {
        openssh.socket_path(place)
        for place in (
            Place("a"),
            Place("a"),
            Place("a", "me"),
            Place("a", "me", 22),
            Place("a", "me", 22, gateway=Place("g")),
        )
    }
    assert len(paths) == 4
    folder = tmp_path / f"s{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    with pytest.raises(HostError, match="not a folder of yours alone"):
        openssh.socket_path(Place("a"))
