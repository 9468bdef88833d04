"""Where a maggma store of the project file lies in MongoDB, read without importing maggma."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Port of MongoDB where none is given.
DEFAULT_PORT = 27017
#: Stores whose arguments say directly where they lie.
_DIRECT = {"MongoStore", "MongoURIStore", "GridFSStore", "GridFSURIStore"}


@dataclass(frozen=True)
class MongoTarget:
    """A collection on a MongoDB server, and how to log in.

    Args:
        database: Name of the database.
        collection: Name of the collection.
        host: Host name; ignored where there is a ``uri``.
        port: TCP port; ignored where there is a ``uri``.
        uri: Connection string, or None. It may hold a password.
        username: Login name, empty for none.
        password: Password, empty for none.
        auth_source: Database that knows the login.
        client_kwargs: Further arguments of ``pymongo.MongoClient``.
        ssh_tunnel: maggma's SSHTunnel (its spec or the object), or None.
    """

    database: str
    collection: str
    host: str = "localhost"
    port: int = DEFAULT_PORT
    uri: str | None = field(default=None, repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    auth_source: str | None = None
    client_kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    ssh_tunnel: Any = field(default=None, repr=False)

    @property
    def client_arguments(self) -> dict[str, Any]:
        """Arguments for ``pymongo.MongoClient``, **secrets in clear**."""
        if self.uri is not None:
            return {"host": self.uri, **self.client_kwargs}
        arguments: dict[str, Any] = {"host": self.host, "port": self.port}
        if self.username:
            arguments |= {
                "username": self.username,
                "password": self.password,
                "authSource": self.auth_source or self.database,
            }
        return {**arguments, **self.client_kwargs}

    @property
    def server(self) -> str:
        """Hosts and ports, without login: equal where two targets are on the same server."""
        if self.uri is None:
            return f"{self.host.lower()}:{self.port}"
        hosts = self.uri.partition("://")[2].partition("/")[0].partition("?")[0]
        names = hosts.rpartition("@")[2].lower().split(",")
        if self.uri.startswith("mongodb+srv:"):
            return ",".join(names)
        return ",".join(
            sorted(n if n.rpartition(":")[2].isdigit() else f"{n}:{DEFAULT_PORT}" for n in names)
        )

    def __str__(self) -> str:
        """Return server, database and collection, without login."""
        return f"{self.server}/{self.database}/{self.collection}"


def plain_spec(spec: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split the spec of a store into its type and its arguments.

    Args:
        spec: Either ``type`` and arguments, or the serialised form with ``@class``.
    """
    arguments = {k: v for k, v in spec.items() if k != "type" and not k.startswith("@")}
    return str(spec.get("@class") or spec.get("type", "")), arguments


def is_direct(spec: Mapping[str, Any]) -> bool:
    """Return whether a store's spec says directly where in MongoDB it lies."""
    return plain_spec(spec)[0] in _DIRECT


def mongo_target(spec: Mapping[str, Any]) -> MongoTarget:
    """Return where a store lies; only unusual stores need maggma for it."""
    if is_direct(spec):
        return _from_arguments(plain_spec(spec)[1])
    from jfcelery.project.stores import build_store

    store = build_store(spec)
    names = ("database", "collection_name", "host", "port", "username", "password",
             "auth_source", "mongoclient_kwargs", "ssh_tunnel", "uri")  # fmt: skip
    return _from_arguments({name: getattr(store, name, None) for name in names})


def _from_arguments(arguments: Mapping[str, Any]) -> MongoTarget:
    uri = arguments.get("uri")
    return MongoTarget(
        database=arguments.get("database") or database_in(uri),
        collection=arguments.get("collection_name") or "",
        host=arguments.get("host") or "localhost",
        port=arguments.get("port") or DEFAULT_PORT,
        uri=uri,
        username=arguments.get("username") or "",
        password=arguments.get("password") or "",
        auth_source=arguments.get("auth_source"),
        client_kwargs=arguments.get("mongoclient_kwargs") or {},
        ssh_tunnel=arguments.get("ssh_tunnel"),
    )


def database_in(uri: str | None) -> str:
    """Return the database that a connection string names; empty for none."""
    # Not urllib's urlsplit: where it fails, its error holds the login.
    path = (uri or "").partition("://")[2].partition("/")[2]
    return unquote(path.partition("?")[0])
