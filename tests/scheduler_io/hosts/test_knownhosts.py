"""known_hosts files as OpenSSH reads them."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import HostKeyError
from jfcelery.scheduler_io.hosts.knownhosts import KnownHosts, fingerprint, lookup_name

if TYPE_CHECKING:
    from pathlib import Path

GOOD = base64.b64encode(b"good key").decode()
BAD = base64.b64encode(b"bad key").decode()
REMEDY = "If you trust the network, run: ssh-keyscan host"


def known(tmp_path: Path, *lines: str) -> KnownHosts:
    """Return the known hosts of a file with some lines."""
    path = tmp_path / "known_hosts"
    path.write_text("\n".join(lines) + "\n")
    return KnownHosts([path])


@pytest.mark.parametrize(
    "names",
    [
        "cluster.org",
        "other.org,cluster.org",
        "*.org",
        "CLUSTER.org",
        "cluster.or?",
        "[x]:22,cluster.org",
    ],
)
def test_names_that_match(tmp_path: Path, names: str) -> None:
    """A line may name several hosts, with patterns."""
    known(tmp_path, "# comment", "", f"{names} ssh-ed25519 {GOOD} comment here").check(
        "cluster.org", "ssh-ed25519", GOOD, REMEDY
    )


@pytest.mark.parametrize(
    "names", ["cluster.com", "!cluster.org,*.org", "[cluster.org]:2222", "|1|x"]
)
def test_names_that_do_not_match(tmp_path: Path, names: str) -> None:
    """A host that no line names is unknown; the error says what to run."""
    with pytest.raises(HostKeyError, match="not known") as caught:
        known(tmp_path, f"{names} ssh-ed25519 {GOOD}").check(
            "cluster.org", "ssh-ed25519", GOOD, REMEDY
        )
    assert caught.value.remedy == REMEDY
    assert fingerprint(GOOD) in str(caught.value)


def test_port_belongs_to_the_name(tmp_path: Path) -> None:
    """A host on another port is another host, and its brackets are no pattern."""
    assert lookup_name("host", 22) == "host"
    hosts = known(tmp_path, f"[host]:2222 ssh-ed25519 {GOOD}")
    hosts.check(lookup_name("host", 2222), "ssh-ed25519", GOOD, REMEDY)
    with pytest.raises(HostKeyError, match="not known"):
        hosts.check(lookup_name("host", 22), "ssh-ed25519", GOOD, REMEDY)


def test_hashed_names(tmp_path: Path) -> None:
    """Names that ssh-keygen hashed are found."""
    path = tmp_path / "known_hosts"
    key = tmp_path / "key"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(argv, check=True, capture_output=True)
    kind, blob = key.with_suffix(".pub").read_text().split()[:2]
    path.write_text(f"[cluster]:2222 {kind} {blob}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(path)], check=True, capture_output=True)
    assert "cluster" not in path.read_text()
    KnownHosts([path]).check("[cluster]:2222", kind, blob, REMEDY)
    told = subprocess.run(["ssh-keygen", "-l", "-f", str(key)], capture_output=True, check=True)
    assert fingerprint(blob) in told.stdout.decode()


def test_changed_key(tmp_path: Path) -> None:
    """Another key than the known one is told from an unknown host."""
    with pytest.raises(HostKeyError, match="CHANGED") as caught:
        known(tmp_path, f"host ssh-ed25519 {BAD}").check("host", "ssh-ed25519", GOOD, REMEDY)
    assert "known_hosts:1" in str(caught.value)
    assert "ssh-keygen -R 'host'" in caught.value.remedy
    assert "ssh-keyscan host" in caught.value.remedy


def test_one_of_several_keys(tmp_path: Path) -> None:
    """A host is known by any of its keys."""
    hosts = known(tmp_path, f"host ssh-rsa {BAD}", f"host ssh-ed25519 {GOOD}")
    hosts.check("host", "ssh-ed25519", GOOD, REMEDY)
    assert [key.key_type for key in hosts.keys("host")] == ["ssh-rsa", "ssh-ed25519"]


def test_revoked_key(tmp_path: Path) -> None:
    """A revoked key is refused, though another line names it."""
    hosts = known(tmp_path, f"host ssh-ed25519 {GOOD}", f"@revoked * ssh-ed25519 {GOOD}")
    with pytest.raises(HostKeyError, match=r"revoked by .*known_hosts:2"):
        hosts.check("host", "ssh-ed25519", GOOD, REMEDY)


def test_lines_without_use(tmp_path: Path) -> None:
    """Certificate authorities, short lines and garbage say nothing about a key."""
    lines = [f"@cert-authority * ssh-ed25519 {GOOD}", "host", "|1|a|b ssh-ed25519 x", "\0\0"]
    assert known(tmp_path, *lines).keys("host") == []


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """A missing file is an empty one."""
    assert KnownHosts([tmp_path / "nothing"]).keys("host") == []
