"""Hosts over links and servers in trouble: at most the timeout, and named as what it is."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import (
    ConnectionFailedError,
    ConnectionLostError,
    HostError,
    HostTimeoutError,
)
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.link import Link
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.hosts.ssh import SshHost
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.lab import Lab

pytestmark = pytest.mark.hpc

#: What a call may take in all on a machine under load; without timeouts it would never return.
NEVER = 60.0


def new_folder() -> RunFolder:
    """Return a run folder that no other test uses."""
    return RunFolder.of("/home/hpc/hosts", str(uuid.uuid4()), 1)


def works(host: SshHost) -> bool:
    """Whether a command runs."""
    return host.run("echo fine").stdout == "fine\n"


def test_refused_connection(lab: Lab) -> None:
    """A closed port is named as such, and all goes on once it is open."""
    relay = lab.relay()
    host = lab.ssh(relay.port)
    relay.set(mode="refuse")
    with pytest.raises(ConnectionFailedError, match="refused"):
        host.run("true")
    relay.set(mode="ok")
    assert works(host)


@pytest.mark.parametrize("mode", ["timeout", "mute"])
def test_silent_host(lab: Lab, mode: str) -> None:
    """A host that does not answer, or answers the call but says nothing, costs a timeout."""
    relay = lab.relay()
    host = lab.ssh(relay.port)
    relay.set(mode=mode)
    began = time.monotonic()
    with pytest.raises(ConnectionFailedError, match="no answer within 3 s"):
        host.run("true")
    assert time.monotonic() - began < NEVER
    relay.set(mode="ok")
    assert works(host)


def test_frozen_link_costs_the_timeout(lab: Lab) -> None:
    """A command on a link that stands still ends with its timeout; the next finds a new link."""
    relay = lab.relay()
    host = lab.ssh(relay.port)
    assert works(host)
    relay.set(mode="freeze")
    began = time.monotonic()
    with pytest.raises(HostError) as caught:
        host.run("true", timeout=2)
    assert isinstance(caught.value, HostTimeoutError | ConnectionLostError)
    assert time.monotonic() - began < NEVER
    relay.set(mode="ok")
    assert works(host)


def test_link_that_freezes_during_an_upload(lab: Lab) -> None:
    """An upload into a link that stands still ends with a timeout, even within paramiko's write."""
    relay = lab.relay()
    host = lab.ssh(relay.port, timeout=2)
    assert works(host)
    relay.set(rate_kbps=2000)
    timer = threading.Timer(0.5, lambda: relay.set(mode="freeze"))
    timer.start()
    folder = new_folder()
    with pytest.raises(HostTimeoutError, match="nothing moved for"):
        host.publish(Publication(folder, {"big": b"x" * 12_000_000}, attempt=1, marker={}))
    timer.join()
    relay.order("reset")
    assert host.run(f"test -e {folder}").exit_code == 1
    host.publish(Publication(folder, {"big": b"y"}, attempt=1, marker={}))
    assert host.read_text(folder / "big") == "y"
    assert host.remove(folder)


def test_link_that_freezes_during_a_download(lab: Lab, tmp_path: Path) -> None:
    """A download from a link that stands still ends with a timeout and leaves nothing."""
    relay = lab.relay()
    host = lab.ssh(relay.port, timeout=2)
    folder = new_folder()
    host.publish(Publication(folder, {"big": b"x" * 12_000_000}, attempt=1, marker={}))
    relay.set(rate_kbps=2000)
    timer = threading.Timer(0.5, lambda: relay.set(mode="freeze"))
    timer.start()
    with pytest.raises(HostTimeoutError, match="nothing moved for"):
        host.fetch(folder, ["big"], tmp_path / "in")
    timer.join()
    assert list(tmp_path.iterdir()) == []
    relay.order("reset")
    host.timeout = NEVER  # a machine under load may take its time
    assert host.fetch(folder, ["big"], tmp_path / "in") == ["big"]
    assert host.remove(folder)


def test_upload_cut_in_the_middle(lab: Lab) -> None:
    """A reset in the middle of an upload leaves no half folder, and the next try succeeds."""
    relay = lab.relay()
    host = lab.ssh(relay.port)
    folder = new_folder()
    relay.set(cut_after=2_000_000, cut_times=1)
    with pytest.raises(ConnectionLostError):
        host.publish(Publication(folder, {"big": b"x" * 5_000_000}, attempt=1, marker={}))
    assert host.run(f"test -e {folder}").exit_code == 1
    wait_until(
        lambda: host.run(f"ls {folder.path.parent} 2>/dev/null").stdout == "",
        "what was cut off to be removed",
    )
    host.publish(Publication(folder, {"big": b"x" * 5_000_000}, attempt=1, marker={}))
    assert host.run(f"wc -c < {folder}/big").stdout.strip() == "5000000"
    assert host.remove(folder)


def test_download_cut_in_the_middle(lab: Lab, tmp_path: Path) -> None:
    """A reset in the middle of a download leaves nothing here, and the next try succeeds."""
    relay = lab.relay()
    host = lab.ssh(relay.port)
    folder = new_folder()
    host.publish(Publication(folder, {"big": b"x" * 5_000_000}, attempt=1, marker={}))
    host.close()
    wait_until(lambda: not relay.order("get")["open"], "the connection to be closed")
    relay.set(cut_after=2_000_000, cut_times=1)
    with pytest.raises(ConnectionLostError):
        host.fetch(folder, ["big"], tmp_path / "in")
    assert list(tmp_path.iterdir()) == []
    assert host.fetch(folder, ["big"], tmp_path / "in") == ["big"]
    assert (tmp_path / "in" / "big").stat().st_size == 5_000_000
    assert host.remove(folder)


def test_connection_that_died_while_idle(lab: Lab) -> None:
    """A connection that was reset between two commands is replaced without anybody noticing."""
    relay = lab.relay()
    host = lab.ssh(relay.port)
    for _ in range(3):
        assert works(host)
        relay.order("drop")
    assert works(host)
    assert relay.order("get")["accepted"] == 4


def test_connection_lost_during_a_command(lab: Lab) -> None:
    """A reset during a command is an error, since nobody knows what the command did."""
    relay = lab.relay()
    host = lab.ssh(relay.port)
    assert works(host)
    timer = threading.Timer(0.5, lambda: relay.order("drop"))
    timer.start()
    with pytest.raises(ConnectionLostError):
        host.run("sleep 30")
    timer.join()
    assert works(host)


def test_sessions_killed_on_the_host(lab: Lab) -> None:
    """The death of the server's session processes is a lost connection, then all goes on."""
    port = lab.sshd()
    host = lab.ssh(lab.relay(port=port).port)
    assert works(host)
    with pytest.raises(ConnectionLostError):
        host.run("kill -9 $(ps -o ppid= -p $PPID) $PPID; sleep 30")
    assert works(host)


def test_slow_command_is_killed_with_its_children(lab: Lab) -> None:
    """A command that takes too long is killed on the host, and the connection goes on."""
    relay = lab.relay()
    host = lab.ssh(relay.port)
    seconds = 70_000 + uuid.uuid4().int % 10_000
    with pytest.raises(HostTimeoutError, match="no answer within 1 s"):
        host.run(f"sleep {seconds} & sleep {seconds}; true", timeout=1)
    wait_until(
        lambda: not host.run(f"pgrep -f 'sleep [{seconds // 10000}]{seconds % 10000}'").stdout,
        "the command's process group to be gone",
    )
    assert relay.order("get")["accepted"] == 1


def test_throttled_link(lab: Lab, tmp_path: Path) -> None:
    """A transfer may take longer than the timeout as long as it moves."""
    relay = lab.relay()
    host = lab.ssh(relay.port, timeout=4)
    folder = new_folder()
    relay.set(rate_kbps=1500)
    began = time.monotonic()
    host.publish(Publication(folder, {"big": b"x" * 7_000_000}, attempt=1, marker={}))
    assert host.fetch(folder, ["big"], tmp_path / "in") == ["big"]
    assert time.monotonic() - began > 4
    relay.order("reset")
    assert host.remove(folder)


def test_slow_link(lab: Lab) -> None:
    """Latency is no fault."""
    relay = lab.relay()
    relay.set(latency_ms=80, jitter_ms=20)
    host = lab.ssh(relay.port)
    folder = new_folder()
    host.publish(Publication(folder, {"a": b"1"}, attempt=1, marker={}))
    assert host.read_text(folder / "a") == "1"
    assert host.remove(folder)


def test_connections_send_at_once_and_give_signs_of_life(lab: Lab) -> None:
    """Nagle's algorithm is off, and something goes over a link that nobody uses."""
    relay = lab.relay()
    link = Link(lab.place(relay.port, keepalive=1))
    link.open()
    try:
        sock = link.transport.sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        before = relay.order("get")["bytes"]["up"]
        wait_until(lambda: relay.order("get")["bytes"]["up"] > before, "a sign of life")
    finally:
        link.close()


def test_a_dead_peer_is_noticed_though_nobody_uses_the_link(lab: Lab) -> None:
    """Signs of life that nobody answers end a link, so that the next command has a new one."""
    relay = lab.relay()
    host = SshHost(lab.place(relay.port, keepalive=1))
    try:
        assert works(host)
        (shared,) = host._sessions._links
        before = relay.order("get")["bytes"]["down"]
        wait_until(lambda: relay.order("get")["bytes"]["down"] > before, "an answer")
        relay.set(mode="freeze")
        wait_until(lambda: not shared.link.alive, "the link to be found dead")
        relay.set(mode="ok")
        assert works(host)
        assert relay.order("get")["accepted"] == 2
    finally:
        host.close()


@pytest.mark.parametrize("sessions", [1, 3])
def test_fewer_sessions_than_usual(lab: Lab, sessions: int) -> None:
    """Where sshd allows fewer sessions on a connection than we think, more connections serve."""
    port = lab.sshd(f"MaxSessions {sessions}")
    relay = lab.relay(port=port)
    host = lab.ssh(relay.port)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda i: host.run(f"sleep 0.3; echo {i}").stdout, range(16)))
    assert results == [f"{i}\n" for i in range(16)]


def test_connections_are_shared(lab: Lab) -> None:
    """Many commands at once need few connections, and each command gets its own answer."""
    relay = lab.relay()
    host = lab.ssh(relay.port)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda i: host.run(f"sleep 0.2; echo {i}").stdout, range(48)))
    assert results == [f"{i}\n" for i in range(48)]
    # two, unless a slow machine makes one of them break
    assert relay.order("get")["accepted"] <= 6


def test_server_that_limits_logins(lab: Lab) -> None:
    """Logins that sshd drops because too many come at once are tried again."""
    port = lab.sshd("MaxStartups 1:90:2")
    relay = lab.relay(port=port)
    relay.set(latency_ms=30)
    hosts = [lab.ssh(relay.port) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(works, hosts))


def test_many_threads_learn_of_one_failure(lab: Lab) -> None:
    """Threads that wait for a connection share its failure in place of trying one by one."""
    relay = lab.relay()
    relay.set(mode="mute")
    host = lab.ssh(relay.port)

    def fails(_: int) -> bool:
        with pytest.raises(ConnectionFailedError):
            host.run("true")
        return True

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(fails, range(8)))
    assert time.monotonic() - began < NEVER
    assert relay.order("get")["accepted"] <= 3
