"""Whether a host is the one it claims to be, by OpenSSH's known_hosts files."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha1, sha256
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.errors import HostKeyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Read where ``~/.ssh/config`` names no others.
DEFAULT_FILES = (
    "~/.ssh/known_hosts",
    "~/.ssh/known_hosts2",
    "/etc/ssh/ssh_known_hosts",
    "/etc/ssh/ssh_known_hosts2",
)


#: The port that known_hosts leaves out.
SSH_PORT = 22


@dataclass(frozen=True)
class KnownKey:
    """One line of a known_hosts file.

    Args:
        key_type: Such as ``ssh-ed25519``.
        blob: The public key in base64.
        revoked: Whether the line says that it must not be used.
        where: File and line.
    """

    key_type: str
    blob: str
    revoked: bool
    where: str


class KnownHosts:
    """Some known_hosts files, read anew at each connection.

    Args:
        files: Their paths; those that are not there count as empty.
    """

    def __init__(self, files: Sequence[str | Path] = DEFAULT_FILES) -> None:
        self.files = [Path(file).expanduser() for file in files]

    def keys(self, name: str) -> list[KnownKey]:
        """Return the known keys of a host (named ``host`` or ``[host]:port``)."""
        return [key for names, key in self._lines() if _names(name, names)]

    def check(self, name: str, key_type: str, blob: str, remedy: str) -> None:
        """Check the key that a host shows.

        Args:
            name: ``host`` or ``[host]:port``.
            key_type: Of the key that it shows.
            blob: That key in base64.
            remedy: What to do if no key of the host is known.

        Raises:
            HostKeyError: It is unknown, differs from the known one, or is revoked.
        """
        known = self.keys(name)
        same = [key for key in known if key.blob == blob]
        if revoked := [key for key in same if key.revoked]:
            raise HostKeyError(f"{name}: the host's key is revoked by {revoked[0].where}")
        if same:
            return
        shown = f"{key_type} {fingerprint(blob)}"
        trusted = [key for key in known if not key.revoked]
        if not trusted:
            raise HostKeyError(f"{name}: the host's key is not known ({shown})", remedy=remedy)
        places = ", ".join(key.where for key in trusted)
        raise HostKeyError(
            f"{name}: the host's key has CHANGED: it shows {shown}, known is another ({places})",
            remedy=f"Ask its administrators. If the change is theirs: ssh-keygen -R '{name}' "
            f"and then: {remedy.partition(': ')[2] or remedy}",
        )

    def _lines(self) -> Iterator[tuple[str, KnownKey]]:
        for file in self.files:
            try:
                text = file.read_text(errors="replace")
            except OSError:
                continue
            for number, line in enumerate(text.splitlines(), 1):
                fields = line.split()
                marker = fields.pop(0) if line.startswith("@") else ""
                if line.startswith("#") or marker == "@cert-authority" or not fields[2:]:
                    continue
                names, key_type, blob = fields[:3]
                yield names, KnownKey(key_type, blob, marker == "@revoked", f"{file}:{number}")


def lookup_name(host: str, port: int) -> str:
    """Return how a host is named in known_hosts."""
    return host if port == SSH_PORT else f"[{host}]:{port}"


def fingerprint(blob: str) -> str:
    """Return a key's fingerprint as ``ssh-keygen -l`` prints it."""
    digest = sha256(base64.b64decode(blob)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _names(name: str, patterns: str) -> bool:
    """Whether a known_hosts line's first field names a host."""
    if patterns.startswith("|1|"):
        return _hashed(name, patterns)
    found = False
    for pattern in patterns.split(","):
        bare = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatchcase(name.lower(), bare.lower()):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _hashed(name: str, pattern: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in pattern.split("|")[2:4])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), sha1).digest(), digest)
