"""All ways to log in to a real sshd, and what each refusal is called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import (
    AuthenticationError,
    ConnectionFailedError,
    HostKeyError,
    LoginNeededError,
)
from jfcelery.scheduler_io.hosts.place import Place
from jfcelery.scheduler_io.hosts.ssh import SshHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.cluster import Cluster
    from tests.support.lab import Lab

pytestmark = pytest.mark.hpc


@pytest.fixture
def opened() -> Iterator[Callable[..., SshHost]]:
    """A function that makes hosts, which are closed at the end."""
    hosts: list[SshHost] = []

    def make(place: Place, **options: Any) -> SshHost:
        hosts.append(SshHost(place, **options))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


@pytest.fixture
def bed(testbed: Cluster) -> dict[str, Any]:
    """What the testbed says about itself."""
    return dict(testbed.bed.data)


def place_of(bed: dict[str, Any], way: str = "ssh", **options: Any) -> Place:
    """Return hpca by one of its ways in."""
    door = bed["hosts"]["hpca"][way]
    given: dict[str, Any] = {"user": "hpc", "connect_timeout": 10.0} | options
    return Place(door["host"], port=door["port"], **given)


def key(bed: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for the testbed's key."""
    return {"key_filename": bed["key"]}


@pytest.fixture
def locked_key(bed: dict[str, Any], tmp_path: Path) -> Path:
    """A copy of the testbed's key that needs a passphrase."""
    copy = tmp_path / "locked"
    copy.write_bytes(Path(bed["key"]).read_bytes())
    copy.chmod(0o600)
    argv = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(copy)]
    subprocess.run(argv, check=True, capture_output=True)
    return copy


@pytest.fixture
def agent(
    bed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, session_folder: Path
) -> Iterator[str]:
    """An SSH agent that holds the testbed's key."""
    socket = session_folder / f"agent{os.getpid()}"
    argv = ["ssh-agent", "-D", "-a", str(socket)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it listens
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", bed["key"]], check=True, capture_output=True)
        yield str(socket)
        process.terminate()


def test_key(bed: dict[str, Any], opened: Callable[..., SshHost]) -> None:
    """A key file logs in."""
    host = opened(place_of(bed, connect_kwargs=key(bed)))
    assert host.run("hostname; id -un").stdout == "hpca\nhpc\n"


def test_key_with_passphrase(
    bed: dict[str, Any], locked_key: Path, opened: Callable[..., SshHost]
) -> None:
    """A locked key logs in with its passphrase; without, the error says what it needs."""
    kwargs = {"key_filename": str(locked_key), "passphrase": "open sesame", "allow_agent": False}
    assert opened(place_of(bed, connect_kwargs=kwargs)).run("id -un").stdout == "hpc\n"
    kwargs.pop("passphrase")
    with pytest.raises(AuthenticationError, match=r"locked \(needs its passphrase\)"):
        opened(place_of(bed, connect_kwargs=kwargs)).run("true")
    kwargs["passphrase"] = "wrong"
    with pytest.raises(AuthenticationError, match="locked"):
        opened(place_of(bed, connect_kwargs=kwargs)).run("true")


@pytest.mark.usefixtures("agent")
def test_agent(bed: dict[str, Any], locked_key: Path, opened: Callable[..., SshHost]) -> None:
    """The agent's keys log in, also in place of a locked key whose public half lies beside it."""
    assert opened(place_of(bed)).run("id -un").stdout == "hpc\n"
    Path(f"{locked_key}.pub").write_text(Path(f"{bed['key']}.pub").read_text())
    kwargs = {"key_filename": str(locked_key)}
    assert opened(place_of(bed, connect_kwargs=kwargs)).run("id -un").stdout == "hpc\n"


@pytest.mark.usefixtures("agent")
def test_agent_forwarding(bed: dict[str, Any], opened: Callable[..., SshHost]) -> None:
    """The agent is forwarded where the project says so, and only there."""
    host = opened(place_of(bed, connect_kwargs=key(bed), forward_agent=True))
    assert "id_ed25519" in host.run("ssh-add -l").stdout
    host = opened(place_of(bed, connect_kwargs=key(bed)))
    assert not host.run("ssh-add -l").ok


def test_password(bed: dict[str, Any], opened: Callable[..., SshHost]) -> None:
    """A password logs in, and a wrong one is refused in words that name what was tried."""
    kwargs = {"password": bed["password"], "look_for_keys": False}
    assert opened(place_of(bed, "ssh_password", connect_kwargs=kwargs)).run("id -un").ok
    kwargs["password"] = "wrong"
    with pytest.raises(AuthenticationError, match=r"tried: .*password") as caught:
        opened(place_of(bed, "ssh_password", connect_kwargs=kwargs)).run("true")
    assert "wrong" not in str(caught.value)


def test_password_by_keyboard_interactive(
    lab: Lab, bed: dict[str, Any], opened: Callable[..., SshHost]
) -> None:
    """Where sshd takes passwords only by questions and answers, the password answers."""
    port = lab.sshd(
        "UsePAM yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication yes",
        "AuthenticationMethods keyboard-interactive",
    )
    place = lab.place(lab.relay(port=port).port, connect_kwargs={"password": bed["password"]})
    assert opened(place).run("id -un").stdout == "hpc\n"


def test_key_and_password(lab: Lab, bed: dict[str, Any], opened: Callable[..., SshHost]) -> None:
    """Where sshd wants a key and then a password, both are given."""
    port = lab.sshd("UsePAM yes", "AuthenticationMethods publickey,keyboard-interactive")
    number = lab.relay(port=port).port
    both = {**key(bed), "password": bed["password"]}
    assert opened(lab.place(number, connect_kwargs=both)).run("id -un").stdout == "hpc\n"
    with pytest.raises(LoginNeededError, match="Password"):
        opened(lab.place(number)).run("true")


def test_one_time_password(bed: dict[str, Any], opened: Callable[..., SshHost]) -> None:
    """A host that wants a one-time password says that a person must log in, and how."""
    kwargs = {**key(bed), "password": bed["password"]}
    with pytest.raises(LoginNeededError, match="One-time password") as caught:
        opened(place_of(bed, "ssh_otp", connect_kwargs=kwargs)).run("true")
    assert "jfc worker login" in caught.value.remedy


def test_nothing_to_log_in_with(bed: dict[str, Any], opened: Callable[..., SshHost]) -> None:
    """Without any key or password the error says so, and what the host would accept."""
    with pytest.raises(AuthenticationError, match=r"no key and no password.*accepts: publickey"):
        opened(place_of(bed, connect_kwargs={"allow_agent": False})).run("true")


def test_unknown_user(bed: dict[str, Any], opened: Callable[..., SshHost]) -> None:
    """An unknown user is refused, and the error names user and key."""
    with pytest.raises(AuthenticationError, match=r"nobody9@.*id_ed25519"):
        opened(place_of(bed, connect_kwargs=key(bed), user="nobody9")).run("true")


def test_too_many_keys(lab: Lab, tmp_path: Path, opened: Callable[..., SshHost]) -> None:
    """A host that hangs up after too many keys is told from one that refuses."""
    names = []
    for number in range(3):
        names.append(str(tmp_path / f"key{number}"))
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", names[-1]]
        subprocess.run(argv, check=True, capture_output=True)
    port = lab.relay(port=lab.sshd("MaxAuthTries 2")).port
    with pytest.raises(AuthenticationError, match="hung up") as caught:
        opened(lab.place(port, connect_kwargs={"key_filename": names})).run("true")
    assert "key_filename" in caught.value.remedy


# Host keys ------------------------------------------------------------------------------------


def test_unknown_host_key(lab: Lab, home: Path, opened: Callable[..., SshHost]) -> None:
    """An unknown host is refused with its fingerprint and a command that makes it known."""
    port = lab.relay().port
    known = home / ".ssh" / "known_hosts"
    lines = known.read_text().splitlines()
    known.write_text("\n".join(line for line in lines if f":{port} " not in line) + "\n")
    host = opened(lab.place(port))
    with pytest.raises(HostKeyError, match=r"not known \(ssh-ed25519 SHA256:") as caught:
        host.run("true")
    command = caught.value.remedy.partition("run: ")[2]
    assert command.startswith(f"ssh-keyscan -p {port} 127.0.0.1")
    subprocess.run(command, shell=True, check=True, capture_output=True)  # noqa: S602 - the advice
    assert host.run("true").ok


def test_changed_host_key(lab: Lab, home: Path, opened: Callable[..., SshHost]) -> None:
    """A host with another key than the known one is refused, and the change is named."""
    port = lab.relay().port
    known = home / ".ssh" / "known_hosts"
    text = known.read_text()
    other = next(line.split()[2] for line in text.splitlines() if line.startswith("hpcb,"))
    lines = [
        f"[127.0.0.1]:{port} ssh-ed25519 {other}" if f":{port} " in line else line
        for line in text.splitlines()
    ]
    known.write_text("\n".join(lines) + "\n")
    with pytest.raises(HostKeyError, match="CHANGED") as caught:
        opened(lab.place(port)).run("true")
    assert f"ssh-keygen -R '[127.0.0.1]:{port}'" in caught.value.remedy


def test_known_key_type_is_asked_for(lab: Lab, opened: Callable[..., SshHost]) -> None:
    """A host with several keys is known by any of them."""
    bed = lab.cluster.bed
    bed.on("hpca", "sh", "-c", "[ -e /tmp/k ] || ssh-keygen -q -t ecdsa -N '' -f /tmp/k")
    keys = ("HostKey /tmp/k", "HostKey /etc/ssh/testbed_host_key")
    port = lab.sshd(*keys, "HostKeyAlgorithms ecdsa-sha2-nistp256,ssh-ed25519")
    assert opened(lab.place(lab.relay(port=port).port)).run("true").ok


# Ways -------------------------------------------------------------------------------------------


def gateway(bed: dict[str, Any]) -> Place:
    """Return the gateway as seen from here."""
    door = bed["hosts"]["gw"]["ssh"]
    return Place(door["host"], "hpc", door["port"], connect_kwargs=key(bed))


def test_gateway(bed: dict[str, Any], opened: Callable[..., SshHost]) -> None:
    """A host behind a gateway is reached through it."""
    inner = bed["hosts"]["hpcx"]["address"]
    place = Place(inner, "hpc", gateway=gateway(bed), connect_kwargs=key(bed))
    assert opened(place).run("hostname").stdout == "hpcx\n"


def test_nested_gateways(bed: dict[str, Any], opened: Callable[..., SshHost]) -> None:
    """A gateway may have a gateway."""
    second = Place(
        bed["hosts"]["gw"]["address"], "hpc", gateway=gateway(bed), connect_kwargs=key(bed)
    )
    inner = bed["hosts"]["hpcx"]["address"]
    place = Place(inner, "hpc", gateway=second, connect_kwargs=key(bed))
    host = opened(place)
    assert host.run("hostname").stdout == "hpcx\n"
    assert len(host.run("cat", stdin=b"x" * 3_000_000).stdout) == 3_000_000


def test_host_that_the_gateway_cannot_reach(
    bed: dict[str, Any], opened: Callable[..., SshHost]
) -> None:
    """The error tells that the way ends behind the gateway."""
    place = Place("10.199.5.2", "hpc", 4, gateway=gateway(bed), connect_kwargs=key(bed))
    with pytest.raises(ConnectionFailedError, match="the gateway cannot reach it"):
        opened(place).run("true")


def test_unknown_key_behind_a_gateway(
    bed: dict[str, Any], home: Path, opened: Callable[..., SshHost]
) -> None:
    """The command for an unknown host behind a gateway asks the gateway to look."""
    known = home / ".ssh" / "known_hosts"
    before = known.read_text()
    known.write_text("\n".join(line for line in before.splitlines() if "hpcx" not in line) + "\n")
    inner = bed["hosts"]["hpcx"]["address"]
    try:
        with pytest.raises(HostKeyError) as caught:
            opened(Place(inner, "hpc", gateway=gateway(bed), connect_kwargs=key(bed))).run("true")
    finally:
        known.write_text(before)
    door = bed["hosts"]["gw"]["ssh"]
    wanted = f"ssh -p {door['port']} hpc@127.0.0.1 ssh-keyscan -p 22 {inner} >>"
    assert wanted in caught.value.remedy


@pytest.fixture
def ssh_config(testbed: Cluster, home: Path) -> Iterator[Path]:
    """A ``~/.ssh/config`` that reaches every host of the testbed by its name."""
    path = home / ".ssh" / "config"
    path.write_text(testbed.ssh_config.read_text())
    yield path
    path.unlink()


@pytest.mark.usefixtures("ssh_config")
def test_ssh_config(opened: Callable[..., SshHost]) -> None:
    """Host, port, user, key and jump host may all come from ``~/.ssh/config``."""
    assert opened(Place("hpca")).run("hostname; id -un").stdout == "hpca\nhpc\n"
    assert opened(Place("hpcx")).run("hostname").stdout == "hpcx\n"
    assert opened(Place("hpca", user="other")).run("id -un").stdout == "other\n"


def test_proxy_command(
    bed: dict[str, Any], ssh_config: Path, opened: Callable[..., SshHost]
) -> None:
    """A proxy command, of the project or of ``~/.ssh/config``, makes the connection."""
    command = f"ssh -F {ssh_config} -W %h:%p gw"
    inner = bed["hosts"]["hpcx"]["address"]
    place = Place(inner, "hpc", gateway=command, connect_kwargs=key(bed))
    assert opened(place).run("hostname").stdout == "hpcx\n"
    with ssh_config.open("a") as stream:
        stream.write(f"\nHost inside\n  HostName {inner}\n  ProxyCommand {command}\n")
    place = Place("inside", "hpc", connect_kwargs=key(bed))
    assert opened(place).run("hostname").stdout == "hpcx\n"


def test_host_key_alias(
    lab: Lab, ssh_config: Path, home: Path, opened: Callable[..., SshHost]
) -> None:
    """A host is known by the alias that ``~/.ssh/config`` gives it."""
    port = lab.relay().port
    known = home / ".ssh" / "elsewhere"
    key_line = (Path(lab.cluster.bed.data["state"]) / "keys/host_hpca.pub").read_text()
    known.write_text("cluster " + key_line)
    with ssh_config.open("a") as stream:
        stream.write(
            f"\nHost alias\n  HostName 127.0.0.1\n  Port {port}\n  HostKeyAlias cluster\n"
            f"  UserKnownHostsFile {known}\n"
        )
    place = Place("alias", "hpc", connect_kwargs=key(lab.cluster.bed.data))
    assert opened(place).run("hostname").stdout == "hpca\n"


# Shells -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["hpc", "noisy", "tcshuser"])
@pytest.mark.parametrize("login", [True, False])
@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_shells(
    bed: dict[str, Any], opened: Callable[..., SshHost], user: str, shell: str, *, login: bool
) -> None:
    """Whatever the login shell is and prints, a command means and says the same."""
    host = opened(place_of(bed, user=user, connect_kwargs=key(bed)), shell=shell, login=login)
    done = host.run("printf '%s|' \"it's $USER!\" 'a\\b' \"new\nline\"; cat; false", stdin=b"in")
    assert (done.exit_code, done.stdout, done.stderr) == (1, f"it's {user}!|a\\b|new\nline|in", "")


def test_login_shell_reads_the_profile(bed: dict[str, Any], opened: Callable[..., SshHost]) -> None:
    """A login shell knows what the user's profile sets, a plain one does not."""
    place = place_of(bed, user="other", connect_kwargs=key(bed))
    profile = "~/.bash_profile"
    plain = opened(place, login=False)
    plain.run(f"echo 'export FROM_PROFILE=yes; echo hello; echo oops >&2' > {profile}")
    try:
        done = opened(place).run("echo $FROM_PROFILE")
        assert (done.stdout, done.stderr) == ("yes\n", "")
        assert plain.run("echo $FROM_PROFILE").stdout == "\n"
    finally:
        plain.run(f"rm {profile}")


def test_profile_that_ends_the_shell(bed: dict[str, Any], opened: Callable[..., SshHost]) -> None:
    """A profile that exits is named as the reason why no command runs."""
    place = place_of(bed, user="other", connect_kwargs=key(bed))
    plain = opened(place, login=False)
    plain.run("echo 'echo closed for maintenance >&2; exit 4' > ~/.bash_profile")
    try:
        with pytest.raises(ConnectionFailedError, match=r"exit code 4.*closed for maintenance"):
            opened(place).run("true")
    finally:
        plain.run("rm ~/.bash_profile")
