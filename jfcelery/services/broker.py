"""The embedded broker: ``redis-server`` or ``valkey-server`` on a unix socket, with a user."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from jfcelery.errors import ServiceStartError
from jfcelery.services.binaries import find_broker
from jfcelery.services.endpoints import KEY_PREFIX
from jfcelery.services.record import write_private
from jfcelery.services.service import Service

if TYPE_CHECKING:
    from jfcelery.services.locks import LockFile
    from jfcelery.services.record import ServiceRecord

logger = logging.getLogger(__name__)

#: Seconds that one probe may take.
PROBE_SECONDS = 3.0
#: What the user may do: everything with our own keys; to the server, only look. All channels:
#: Celery subscribes by pattern, which Redis allows only for a literally equal rule.
RIGHTS = f"~{KEY_PREFIX}* allchannels +@all -@admin -@dangerous +info"

# What the server says of a file that a full disk or a crash of the machine has spoilt.
_SPOILT = re.compile(
    r"bad file format|unexpected end of file|error (reading|loading).*(aof|append)|wrong signature"
    r"|can't find.*file|invalid aof|short read",
    re.IGNORECASE,
)


class BrokerService(Service):
    """The embedded broker of one project."""

    name: ClassVar[str] = "broker"

    def url(self, record: ServiceRecord) -> str:
        """Return the URL, secret included, that Celery takes."""
        login = self.credentials()
        where = f"{quote(login.user)}:{quote(login.password)}@{quote(record.address)}"
        return f"redis+socket://{where}?virtual_host=0"

    def answers(self, address: str) -> bool:
        """Return whether the server answers to our user."""
        import redis  # costs 0.1 s
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        login = self.credentials()
        client = redis.Redis(
            unix_socket_path=address,
            username=login.user,
            password=login.password,
            socket_timeout=PROBE_SECONDS,
            retry=Retry(NoBackoff(), 0),  # by default, ten times
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def start(self, lock: LockFile) -> ServiceRecord:
        """Start the server; if its file is spoilt, with an empty one.

        Messages are hints: losing them costs time, and no work.
        """
        program = find_broker()
        self._write_users()
        try:
            return self._launch(program, lock)
        except ServiceStartError as error:
            if not _SPOILT.search(error.message):
                raise
            aside = self.files.data.with_name(f"data.spoilt-{time.time_ns()}")
            logger.warning("%s; its files are kept in %s", error.message, aside)
            self.files.data.rename(aside)
            self.files.data.mkdir(mode=0o700)
        return self._launch(program, lock)

    def _launch(self, program: Path, lock: LockFile) -> ServiceRecord:
        address = str(self.files.socket())
        Path(address).unlink(missing_ok=True)
        command = self._command(program, address)
        return self.launch(command, lock, find=lambda _: address, answers=self.answers)

    def _has_address(self, record: ServiceRecord) -> bool:
        # Something that tidies up /tmp may have removed the socket of a living server.
        return Path(record.address).is_socket()

    def _write_users(self) -> None:
        import hashlib

        login = self.credentials()
        digest = hashlib.sha256(login.password.encode()).hexdigest()
        # Flower sends the password without the user's name, which makes it the default user's.
        lines = [f"user {user} on #{digest} {RIGHTS}" for user in ("default", login.user)]
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
