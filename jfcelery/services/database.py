"""The embedded database: ``secantusd-rs`` on a loopback port, with a generated user."""

from __future__ import annotations

import re
import socket
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from jfcelery.errors import ServiceStartError
from jfcelery.services.binaries import find_database
from jfcelery.services.processes import command_line
from jfcelery.services.service import GRACE_SECONDS, Service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jfcelery.services.credentials import Credentials
    from jfcelery.services.locks import LockFile
    from jfcelery.services.record import ServiceRecord

LOOPBACK = "127.0.0.1"
#: Milliseconds that one probe may take.
PROBE_MILLISECONDS = 3000
#: What the server takes as "any free port".
ANY_PORT = "0"
#: What the server's two allocators keep of freed memory, for its cache and for all else: by default
#: they keep what is as much again as it uses. https://man7.org/linux/man-pages/man3/mallopt.3.html,
#: https://microsoft.github.io/mimalloc/environment.html
ALLOCATORS = MappingProxyType({"MALLOC_ARENA_MAX": "1", "MIMALLOC_PURGE_DELAY": "0"})

_CACHE = re.compile(r"--cache-size (\d+)([MG])")
_LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")


class DatabaseService(Service):
    """The embedded database of one project."""

    name: ClassVar[str] = "database"
    variables: ClassVar[Mapping[str, str]] = ALLOCATORS

    def uri(self, record: ServiceRecord) -> str:
        """Return the URI, secret included, of the running server."""
        return self._uri(record.address, self.credentials())

    def answers(self, address: str) -> bool:
        """Return whether the server answers to our user."""
        return _ask(self._uri(address, self.credentials()))

    def cache(self) -> int | None:
        """Return the megabytes of cache with which the running server was started, if known."""
        record = self.running()
        found = record and _CACHE.search(command_line(record.process.pid))
        return int(found[1]) * (1024 if found[2] == "G" else 1) if found else None

    def start(self, lock: LockFile) -> ServiceRecord:
        """Start the server; the first time, create its user before."""
        program = find_database()
        credentials = self.credentials()
        if not (credentials.known and (self.files.data / "WiredTiger").exists()):
            self._create_user(program, lock, credentials)
        port = self._usual_port()
        try:
            return self._launch(program, lock, port)
        except ServiceStartError:
            if port == ANY_PORT or _is_free(port):
                raise
        return self._launch(program, lock, ANY_PORT)  # somebody took the port meanwhile

    def _launch(self, program: Path, lock: LockFile, port: str) -> ServiceRecord:
        command = [*self._command(program, port), "--auth"]
        return self.launch(command, lock, find=_port_in, answers=self.answers)

    def _command(self, program: Path, port: str) -> list[str]:
        from jfcelery.settings import settings  # costs as much as all of this package

        # A configuration file of our own, empty: the server looks for others in the user's home.
        config = self.files.folder / "server.toml"
        config.touch(mode=0o600)
        return [
            str(program),
            *("--config", str(config)),
            *("--host", LOOPBACK),
            *("--port", port),
            *("--storage-path", str(self.files.data)),
            *("--log-level", "WARNING"),
            *("--log-file-max", "64MB"),  # the default, 2 GB, is allocated and slow to reopen
            *("--cache-size", settings().database_cache),
            *("--write-tickets", "2"),
            "--sync-on-commit",  # else a kill loses what was acknowledged
            # Else drivers number their writes, so that they can repeat them, and from 10,000 on the
            # server sorts all that it remembers of these at each further one.
            "--standalone",
        ]

    def _usual_port(self) -> str:
        """Return the port of the last time, if it is free, so that clients find us again."""
        record = self.record()
        return record.address if record and _is_free(record.address) else ANY_PORT

    def _create_user(self, program: Path, lock: LockFile, credentials: Credentials) -> None:
        """Create the user in a server without authentication, and stop that server.

        It knows no "localhost exception". For the second in which it stands open on loopback it
        holds no data; that nobody used it to make a user for himself is checked afterwards.
        """
        command = self._command(program, ANY_PORT)
        record = self.launch(command, lock, find=_port_in, answers=_ask_openly, final=False)
        try:
            _create_user(record.address, credentials)
        finally:
            record.process.end(grace=GRACE_SECONDS)
        credentials.save(known=True)

    @staticmethod
    def _uri(port: str, credentials: Credentials) -> str:
        login = f"{quote(credentials.user)}:{quote(credentials.password)}"
        return f"mongodb://{login}@{LOOPBACK}:{port}/?authSource=admin&directConnection=true"


def _port_in(text: str) -> str | None:
    found = _LISTENING.search(text)
    return found[1] if found else None


def _is_free(port: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, int(port)))
        except (OSError, ValueError, OverflowError):
            return False
    return True


def _open_uri(port: str) -> str:
    return f"mongodb://{LOOPBACK}:{port}/?directConnection=true"


def _ask_openly(port: str) -> bool:
    return _ask(_open_uri(port))


def _options() -> dict[str, Any]:
    return {
        "serverSelectionTimeoutMS": PROBE_MILLISECONDS,
        "connectTimeoutMS": PROBE_MILLISECONDS,
        "socketTimeoutMS": PROBE_MILLISECONDS,
    }


def _ask(uri: str) -> bool:
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    client: MongoClient[dict[str, Any]] = MongoClient(uri, **_options())
    try:
        # Unlike "ping", this needs a login.
        client["admin"].command("usersInfo")
    except PyMongoError:
        return False
    finally:
        client.close()
    return True


def _create_user(port: str, credentials: Credentials) -> None:
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(_open_uri(port), **_options())
    try:
        admin = client["admin"]
        for user in _users(admin):
            admin.command("dropUser", user)
        admin.command(
            "createUser",
            credentials.user,
            pwd=credentials.password,
            roles=[{"role": "root", "db": "admin"}],
            mechanisms=["SCRAM-SHA-256"],
        )
        if _users(admin) != [credentials.user]:
            raise ServiceStartError(
                "Somebody else made a user in the embedded database while it was set up",
                remedy="Ask who else works on this machine, then try again.",
            )
    finally:
        client.close()


def _users(admin: Any) -> list[str]:
    return [user["user"] for user in admin.command("usersInfo")["users"]]
