"""Hosts that a person logs in to: one OpenSSH master, shared by all processes of the machine."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import (
    AuthenticationError,
    ConnectionLostError,
    HostError,
    HostTimeoutError,
    LoginNeededError,
)
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.multiplexed import MultiplexedHost
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.hosts.place import Place
from tests.support.cluster import PROGRAM
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.lab import Lab

pytestmark = pytest.mark.hpc

#: sshd on hpca that wants a key, then a one-time password.
OTP_PORT = 2202
#: What another process does with the same master.
OTHER_PROCESS = """
import sys
from jfcelery.scheduler_io.hosts.multiplexed import MultiplexedHost
from jfcelery.scheduler_io.hosts.place import Place
place = Place("127.0.0.1", user="hpc", port=int(sys.argv[1]), connect_timeout=3.0, keepalive=1)
print(MultiplexedHost(place, worker="w").run("hostname").stdout, end="")
"""


def typist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str) -> None:
    """Have OpenSSH ask a program in place of a person at a terminal."""
    program = tmp_path / "askpass"
    program.write_text(f"#!{sys.executable} -I\n{answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(program))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("DISPLAY", ":0")


@pytest.fixture
def host(lab: Lab) -> MultiplexedHost:
    """A host with a master that is logged in by key."""
    host = lab.multiplexed(lab.relay().port)
    host.login()
    return host


def test_one_time_password(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Once a person typed the one-time password, commands run; before, nothing is even tried."""
    relay = lab.relay(port=OTP_PORT)
    host = lab.multiplexed(relay.port)
    with pytest.raises(LoginNeededError, match="nobody is logged in") as caught:
        host.run("true")
    assert caught.value.remedy == "Run: jfc worker login otp"
    assert relay.order("get")["accepted"] == 0
    path = f"sys.path.insert(0, {str(PROGRAM.parent)!r})"
    typist(monkeypatch, tmp_path, f"import sys; {path}; import testbed; print(testbed.totp())")

    def login() -> bool:
        try:
            host.login()
        except AuthenticationError:
            return False  # each password counts once: another test may have used this one
        return True

    wait_until(login, "the next one-time password", every=5)
    assert host.run("hostname; cat", stdin=b"in").stdout == "hpca\nin"
    host.login()  # nobody is asked twice


def test_failed_login(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wrong answer is a failed login, and the host still needs one."""
    host = lab.multiplexed(lab.relay(port=OTP_PORT).port)
    typist(monkeypatch, tmp_path, "print('000000')")
    with pytest.raises(AuthenticationError, match="the login failed"):
        host.login()
    with pytest.raises(LoginNeededError):
        host.run("true")


def test_shared_by_processes(lab: Lab) -> None:
    """Another process uses the master without a login of its own."""
    relay = lab.relay()
    lab.multiplexed(relay.port).login()
    argv = [sys.executable, "-c", OTHER_PROCESS, str(relay.port)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "hpca\n"
    assert relay.order("get")["accepted"] == 1


def test_files(host: MultiplexedHost, tmp_path: Path) -> None:
    """Run folders go through the master as through any connection."""
    folder = RunFolder.of("/home/hpc/hosts", str(uuid.uuid4()), 1)
    content = bytes(range(256)) * 20_000
    host.publish(Publication(folder, {"a": content}, attempt=1, marker={}))
    assert host.fetch(folder, ["a"], tmp_path / "in") == ["a"]
    assert (tmp_path / "in" / "a").read_bytes() == content
    assert host.remove(folder)


def test_exit_code_of_ssh_itself(host: MultiplexedHost) -> None:
    """A command may end with the code by which ssh reports its own failures."""
    done = host.run("echo out; echo err >&2; exit 255")
    assert (done.exit_code, done.stdout, done.stderr) == (255, "out\n", "err\n")


def test_more_commands_than_sessions(host: MultiplexedHost) -> None:
    """Commands wait for a free session on the one connection."""
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda i: host.run(f"sleep 0.3; echo {i}").stdout, range(24)))
    assert results == [f"{i}\n" for i in range(24)]


def test_slow_command_is_killed(host: MultiplexedHost) -> None:
    """A command that takes too long is killed on the host; the master stays."""
    seconds = 70_000 + uuid.uuid4().int % 10_000
    with pytest.raises(HostTimeoutError, match="no answer within 1 s"):
        host.run(f"sleep {seconds}", timeout=1)
    pattern = f"sleep [{seconds // 10000}]{seconds % 10000}"
    wait_until(lambda: not host.run(f"pgrep -f '{pattern}'").stdout, "the command to be gone")


def test_master_that_dies(lab: Lab) -> None:
    """A command under way is lost with the master; then a person is asked to log in again."""
    relay = lab.relay()
    host = lab.multiplexed(relay.port)
    host.login()
    timer = threading.Timer(1, lambda: relay.order("drop"))
    timer.start()
    with pytest.raises(ConnectionLostError):
        host.run("sleep 30")
    timer.join()
    with pytest.raises(LoginNeededError):
        host.run("true")
    host.login()
    assert host.run("echo back").stdout == "back\n"


def test_frozen_link(lab: Lab) -> None:
    """On a link that stands still a command ends with its timeout, and the master gives up."""
    relay = lab.relay()
    host = lab.multiplexed(relay.port)
    host.login()
    relay.set(mode="freeze")
    with pytest.raises(HostError) as caught:
        host.run("true", timeout=1)
    assert isinstance(caught.value, HostTimeoutError | ConnectionLostError | LoginNeededError)
    wait_until(lambda: not host.logged_in, "the master to notice")
    relay.set(mode="ok")
    with pytest.raises(LoginNeededError):
        host.run("true")


def test_socket_of_a_killed_master(lab: Lab) -> None:
    """What a killed master leaves does not stand in the way of the next login."""
    host = lab.multiplexed(lab.relay().port)
    host.login()
    check = subprocess.run(
        ["ssh", "-S", str(host._socket), "-O", "check", "127.0.0.1"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    pid = int(check.stderr.partition("pid=")[2].partition(")")[0])
    subprocess.run(["kill", "-9", str(pid)], check=True)
    wait_until(lambda: not host.logged_in, "the master to be gone")
    with pytest.raises(LoginNeededError):
        host.run("true")
    host.login()
    assert host.run("true").ok


def test_gateways(lab: Lab) -> None:
    """The way through gateways is OpenSSH's too."""
    data = lab.cluster.bed.data
    key = {"key_filename": data["key"]}
    gateway = lab.place(lab.relay("gw").port)
    second = Place(data["hosts"]["gw"]["address"], "hpc", gateway=gateway, connect_kwargs=key)
    inner = data["hosts"]["hpcx"]["address"]
    host = MultiplexedHost(Place(inner, "hpc", gateway=second, connect_kwargs=key), worker="x")
    try:
        host.login()
        assert host.run("hostname").stdout == "hpcx\n"
    finally:
        host.logout()


@pytest.mark.parametrize("user", ["noisy", "tcshuser"])
def test_odd_logins(lab: Lab, user: str) -> None:
    """What a login prints, and which shell it is, changes nothing."""
    place = lab.place(lab.relay().port, user=user)
    host = MultiplexedHost(place, worker="x")
    try:
        host.login()
        done = host.run('echo "it\'s\n$USER!"')
        assert (done.stdout, done.stderr) == (f"it's\n{user}!\n", "")
    finally:
        host.logout()
