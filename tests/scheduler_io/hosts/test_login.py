"""Questions that a login answers by itself, and those that only a person can answer."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import paramiko
import pytest

from jfcelery.scheduler_io.hosts.login import Login, load_key

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("prompt", ["Password: ", "hpc@host's password:", "password", "Passwort:"])
def test_password_is_given(prompt: str) -> None:
    """A question for the password is answered with it."""
    login = Login("hpc", "host", password="secret")
    assert login._answers("", "", [(prompt, False)]) == ["secret"]
    assert login._questions == []


@pytest.mark.parametrize(
    "prompt",
    [
        "One-time password (OATH) for `hpc': ",
        "Verification code: ",
        "Enter your OTP:",
        "Token:",
        "Duo two-factor login\n\nPasscode or option (1-3): ",
        "Enter MFA code",
        "What is your name?",
    ],
)
def test_password_is_not_given_away(prompt: str) -> None:
    """Any other question gets no password, and is remembered for the error."""
    login = Login("hpc", "host", password="secret")
    assert login._answers("", "", [(prompt, False)]) == [""]
    assert login._questions == [prompt.strip()]


def test_secrets_are_not_shown() -> None:
    """No secret stands in the text form of a login."""
    assert "secret" not in repr(Login("hpc", "host", password="secret", passphrase="secret"))


@pytest.mark.parametrize(
    "kind, options",
    [("ed25519", []), ("ecdsa", []), ("rsa", []), ("rsa", ["-m", "PEM"]), ("ecdsa", ["-m", "PEM"])],
)
def test_kinds_of_keys(tmp_path: Path, kind: str, options: list[str]) -> None:
    """Keys of every kind and format are read, locked ones with their passphrase only."""
    name = str(tmp_path / "key")
    argv = ["ssh-keygen", "-q", "-t", kind, *options, "-N", "open sesame", "-f", name]
    subprocess.run(argv, check=True, capture_output=True)
    public = (tmp_path / "key.pub").read_text().split()[1]
    assert load_key(name, "open sesame").get_base64() == public
    with pytest.raises(paramiko.PasswordRequiredException):
        load_key(name, None)
    with pytest.raises(paramiko.SSHException):
        load_key(name, "wrong")


def test_certificate(tmp_path: Path) -> None:
    """A certificate beside the key is used."""
    for name in ("ca", "key"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(argv, check=True, capture_output=True)
    argv = ["ssh-keygen", "-q", "-s", str(tmp_path / "ca"), "-I", "me", str(tmp_path / "key.pub")]
    subprocess.run(argv, check=True, capture_output=True)
    assert load_key(str(tmp_path / "key"), None).public_blob is not None


def test_no_key(tmp_path: Path) -> None:
    """A file that is no key is named as such."""
    (tmp_path / "key").write_text("hello")
    with pytest.raises(paramiko.SSHException):
        load_key(str(tmp_path / "key"), None)
