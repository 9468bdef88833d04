"""Database and broker that speak TLS only and want a login: what a careful site has."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from jfcelery.services.binaries import find_broker, find_database
from tests.support.servers import GRACE, announced_port, running
from tests.support.tree import TREE
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def make_certificates(folder: Path) -> None:
    """Write a certificate authority, and what it signed for server and client."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    for who in ("ca", "server", "client"):
        key = ca_key if who == "ca" else ec.generate_private_key(ec.SECP256R1())
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name(who))
            .issuer_name(name("ca"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=who == "ca", path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(authority, critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        (folder / f"{who}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / f"{who}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )


@contextmanager
def tls_broker(folder: Path, *options: str) -> Iterator[int]:
    """Run a Redis that speaks TLS only and wants a client's certificate; give its port.

    It also listens on the unix socket ``s`` in its folder.

    Args:
        folder: With the certificates.
        options: More options of the server.
    """
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(
            [
                find_broker(),
                *("--bind", "127.0.0.1", "--port", "0", "--tls-port", "0"),
                *("--unixsocket", str(folder / "s"), "--save", "", "--dir", str(folder)),
                *("--tls-cert-file", str(folder / "server.pem")),
                *("--tls-key-file", str(folder / "server.key")),
                *("--tls-ca-cert-file", str(folder / "ca.pem")),
                *options,
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _enable_tls(folder / "s")
    finally:
        process.terminate()
        process.wait(GRACE)


def _enable_tls(path: Path) -> int:
    """Have a Redis listen on a free port with TLS, and return the port."""
    import redis

    wait_until(path.exists, "Redis to listen")
    with redis.Redis(unix_socket_path=str(path)) as client:
        while True:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port: int = free.getsockname()[1]
            try:
                client.config_set("tls-port", port)
            except redis.ResponseError:  # somebody was quicker
                continue
            return port


@contextmanager
def tls_database(folder: Path, user: str, password: str) -> Iterator[int]:
    """Run a database that speaks TLS only and wants a login (SCRAM-SHA-256); give its port.

    Args:
        folder: With the certificates.
        user: Whom it lets in.
        password: The user's.
    """
    _add_user(folder, user, password)
    names = {"cert": "server.pem", "key": "server.key"}
    tls = [
        word for name, file in names.items() for word in (f"--tls-{name}-file", f"{folder}/{file}")
    ]
    with _database(folder, [*tls, "--auth"]) as port:
        yield port


@contextmanager
def login_database(folder: Path, user: str, password: str) -> Iterator[int]:
    """Run a database that wants a login (SCRAM-SHA-256), without TLS; give its port.

    Args:
        folder: For its files.
        user: Whom it lets in.
        password: The user's.
    """
    _add_user(folder, user, password)
    with _database(folder, ["--auth"]) as port:
        yield port


def _add_user(folder: Path, user: str, password: str) -> None:
    """Have the database of a folder know a user."""
    import pymongo

    with _database(folder, []) as port:
        url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        with pymongo.MongoClient[dict[str, Any]](url) as client:
            roles = [{"role": "root", "db": "admin"}]
            client["admin"].command(
                "createUser", user, pwd=password, roles=roles, mechanisms=["SCRAM-SHA-256"]
            )


@contextmanager
def _database(folder: Path, options: Sequence[str]) -> Iterator[int]:
    config = folder / "server.toml"
    config.touch()
    argv = [str(find_database()), "--config", str(config), "--host", "127.0.0.1", "--port", "0"]
    argv += ["--storage-path", str(folder / "data"), "--log-file-max", "64MB"]
    argv += ["--cache-size", "32M", "--write-tickets", "2", "--log-level", "WARNING", *options]
    with running(argv, folder) as process:
        found = wait_until(lambda: announced_port(process, folder), "the database to listen")
        yield int(found)


@dataclass(frozen=True)
class Servers:
    """A database and a broker that speak TLS only, and know one user each, ``jfcelery``.

    Args:
        folder: Their certificates, and the broker's unix socket ``s``.
        database: Port of the database.
        broker: Port of the broker.
    """

    folder: Path
    database: int
    broker: int

    def sections(self, database: str, broker: str) -> dict[str, Any]:
        """Return the sections of a project file that uses them.

        Args:
            database: Password of the database's user, or a reference to it.
            broker: Password of the broker's user, or a reference to it.
        """
        ca = str(self.folder / "ca.pem")
        store = {
            "type": "MongoStore",
            "host": "127.0.0.1",
            "port": self.database,
            "database": "encrypted",
            "username": "jfcelery",
            "password": database,
            "auth_source": "admin",
            "mongoclient_kwargs": {"tls": True, "tlsCAFile": ca},
        }
        own = {name: str(self.folder / f"client.{end}") for name, end in _CLIENT.items()}
        return {
            "queue": {"store": store | {"collection_name": "jobs"}},
            "jobstore": {"docs_store": store | {"collection_name": "outputs"}},
            "broker": {
                "url": f"rediss://jfcelery:{broker}@127.0.0.1:{self.broker}/0",
                "tls": {"ca_certs": ca, **own},
            },
        }


_CLIENT = {"certfile": "pem", "keyfile": "key"}


@contextmanager
def encrypted_servers(
    folder: Path, database: str, broker: str, *more_users: str
) -> Iterator[Servers]:
    """Run a database and a broker as a careful site does.

    The broker's user has the rights that the compose file gives.

    Args:
        folder: A new one.
        database: Password of the database's user.
        broker: Password of the broker's user.
        more_users: Lines of the broker's file of users.
    """
    import redis

    folder.mkdir()
    make_certificates(folder)
    digest = sha256(broker.encode()).hexdigest()
    users = (TREE / "compose" / "users.acl").read_text().replace("PASSWORD_SHA256", digest)
    off = "user default off\n"
    assert off in users
    lines = [users.replace(off, ""), *more_users]
    (folder / "users.acl").write_text("".join(f"{line.rstrip()}\n" for line in lines))
    with (
        tls_database(folder, "jfcelery", database) as database_port,
        tls_broker(folder, "--aclfile", str(folder / "users.acl")) as broker_port,
    ):
        with redis.Redis(unix_socket_path=str(folder / "s")) as client:
            client.acl_setuser("default", enabled=False)  # it has set up TLS
        yield Servers(folder, database_port, broker_port)
