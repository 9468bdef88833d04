"""Commands on this machine."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import ConnectionFailedError, ConnectionLostError, HostError, HostTimeoutError
from jfcelery.scheduler_io.hosts import process
from jfcelery.scheduler_io.hosts.base import CommandResult
from jfcelery.scheduler_io.hosts.local import LocalHost
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def alive(pid: int) -> bool:
    """Whether a process still runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as stream:  # noqa: PTH123
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_result(host: LocalHost) -> None:
    """A command's exit code and both its streams come back."""
    done = host.run("cat; echo err >&2; exit 3", stdin=b"in")
    assert done == CommandResult(3, "in", "err\n")
    assert not done.ok
    assert host.run("true").ok


def test_environment(host: LocalHost) -> None:
    """A command may get variables of its own."""
    assert host.run("echo $A", env={"A": "b c"}).stdout == "b c\n"


def test_output_is_kept_exactly(host: LocalHost) -> None:
    """Not a newline is added to or taken from the output."""
    for text in ("", "\n", "no end", "\n\nboth\n\n"):
        assert host.run("cat", stdin=text.encode()).stdout == text


def test_command_that_reads_and_prints_much(host: LocalHost) -> None:
    """Input and output that fill every pipe do not block each other."""
    data = b"0123456789" * 500_000
    done = host.run("tee /dev/stderr | cat", stdin=data)
    assert done.stdout.encode() == data
    assert done.stderr.endswith("0123456789")


def test_command_that_does_not_read(host: LocalHost) -> None:
    """Input that nobody reads is no error."""
    assert host.run("exit 5", stdin=b"x" * 5_000_000).exit_code == 5


def test_bytes_that_are_no_text(host: LocalHost) -> None:
    """Output that is not UTF-8 comes back with replacement characters."""
    assert host.run("printf 'a\\377b'").stdout == "a\ufffdb"


def test_timeout_kills_the_process_group(host: LocalHost, tmp_path: Path) -> None:
    """A command that takes too long is killed with its children."""
    pids = tmp_path / "pids"
    with pytest.raises(HostTimeoutError, match=r"local: no answer within 0\.5 s"):
        host.run(f"sleep 60 & echo $! > {pids}; sleep 60; true", timeout=0.5)
    pid = int(pids.read_text())
    wait_until(lambda: not alive(pid), "the child to be gone")


def test_command_that_may_take_long_but_not_say_nothing(host: LocalHost) -> None:
    """What goes on saying something has no limit in all; what is silent has."""
    talks = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.4; done"
    assert host.run(talks, stall=2).stdout.split() == list("123456")
    with pytest.raises(HostTimeoutError, match=r"local: nothing moved for 0\.5 s"):
        host.run("echo 1; sleep 1000", stall=0.5)


def test_background_child_that_holds_the_streams(host: LocalHost, tmp_path: Path) -> None:
    """A command is over when its shell is, whatever its children still hold open, and they live."""
    pids = tmp_path / "pids"
    began = time.monotonic()
    done = host.run(f"sleep 60 & echo $! > {pids}; echo out")
    assert done.stdout == "out\n"
    assert time.monotonic() - began < 50
    pid = int(pids.read_text())
    assert alive(pid)
    os.kill(pid, 9)


def test_shell_that_is_killed(host: LocalHost) -> None:
    """A shell that dies under the command is an error: what it printed may not be whole."""
    with pytest.raises(ConnectionLostError, match="cut off"):
        host.run("echo half; kill -9 $$; sleep 1")


def test_missing_shell() -> None:
    """A shell that is not there is named."""
    with pytest.raises(ConnectionFailedError, match="no-such-shell"):
        LocalHost(shell="no-such-shell").run("true")  # noqa: S604 - a name


def test_syntax_error(host: LocalHost) -> None:
    """A command that is no shell language fails with the shell's own words."""
    done = host.run("echo first\nif then fi (")
    assert done.exit_code == 2
    assert "syntax error" in done.stderr


def test_output_without_end(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that prints without end is stopped."""
    monkeypatch.setattr(process, "OUTPUT_LIMIT", 1_000_000)
    monkeypatch.setattr(process.Process.read_all, "__defaults__", (1_000_000,))
    with pytest.raises(HostError, match="printed more than"):
        host.run("yes")


def test_no_process_is_left(host: LocalHost) -> None:
    """No shell stays, as a zombie or else, when its command is over."""
    pid = int(host.run("echo $$").stdout)
    assert not os.path.exists(f"/proc/{pid}")  # noqa: PTH110
