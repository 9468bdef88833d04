"""The embedded broker: ``redis-server`` or ``valkey-server`` on a unix socket, with a user."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from jfcelery.services.binaries import find_broker
from jfcelery.services.credentials import Credentials
from jfcelery.services.record import write_private
from jfcelery.services.service import Service

if TYPE_CHECKING:
    from jfcelery.services.locks import LockFile
    from jfcelery.services.record import ServiceRecord

#: What all our keys and channels begin with.
KEY_PREFIX = "jfcelery:"
#: Seconds that one probe may take.
PROBE_SECONDS = 3.0
#: What the user may do: everything with our own keys and channels, nothing to the server but look.
RIGHTS = f"~{KEY_PREFIX}* resetchannels &{KEY_PREFIX}* +@all -@admin -@dangerous +info"


class BrokerService(Service):
    """The embedded broker of one project."""

    name: ClassVar[str] = "broker"

    def url(self, record: ServiceRecord) -> str:
        """Return the URL, secret included, that Celery takes."""
        login = Credentials.of(self.files.credentials)
        where = f"{quote(login.user)}:{quote(login.password)}@{quote(record.address)}"
        return f"redis+socket://{where}?virtual_host=0"

    def answers(self, address: str) -> bool:
        """Return whether the server answers to our user."""
        import redis

        login = Credentials.of(self.files.credentials)
        client = redis.Redis(
            unix_socket_path=address,
            username=login.user,
            password=login.password,
            socket_timeout=PROBE_SECONDS,
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def start(self, lock: LockFile) -> ServiceRecord:
        """Start the server on the socket of the last time."""
        program = find_broker()
        address = self._usual_socket()
        Path(address).unlink(missing_ok=True)
        self._write_users()
        command = self._command(program, address)
        return self.launch(command, lock, find=lambda _: address, answers=self.answers)

    def _has_address(self, record: ServiceRecord) -> bool:
        # Something that tidies up /tmp may have removed the socket of a living server.
        return Path(record.address).is_socket()

    def _usual_socket(self) -> str:
        return str(self.files.socket())

    def _write_users(self) -> None:
        login = Credentials.of(self.files.credentials)
        digest = hashlib.sha256(login.password.encode()).hexdigest()
        lines = ("user default off resetchannels -@all", f"user {login.user} on #{digest} {RIGHTS}")
        write_private(self._users, "".join(f"{line}\n" for line in lines))

    @property
    def _users(self) -> Path:
        return self.files.folder / "users.acl"

    def _command(self, program: Path, address: str) -> list[str]:
        return [
            str(program),
            *("--port", "0"),
            *("--unixsocket", address),
            *("--unixsocketperm", "700"),
            *("--aclfile", str(self._users)),
            *("--dir", str(self.files.data)),
            *("--save", ""),
            *("--appendonly", "yes"),
            *("--appendfsync", "everysec"),
            *("--maxmemory-policy", "noeviction"),
            *("--daemonize", "no"),
            *("--set-proc-title", "no"),  # its command line tells us whose it is
        ]
