"""Database and broker that somebody else runs: as the project file describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jfcelery.errors import ProjectInvalidError
from jfcelery.services.endpoints import KEY_PREFIX, BrokerEndpoint, DatabaseEndpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

#: MongoDB's usual port.
MONGO_PORT = 27017
_WHERE = "queue.store"


def external_database(store: Mapping[str, Any]) -> DatabaseEndpoint:
    """Return where a maggma store (MongoStore or MongoURIStore) keeps its documents.

    Raises:
        ProjectInvalidError: The queue cannot be kept in such a store.
    """
    if store.get("ssh_tunnel"):
        raise ProjectInvalidError(
            f"{_WHERE}: an ssh_tunnel cannot be used for the queue",
            remedy="Open the tunnel outside (ssh -L, autossh) and name its local port as port.",
        )
    kind = str(store.get("type", "MongoStore")).rpartition(".")[2]
    options = dict(store.get("mongoclient_kwargs") or {})
    if kind == "MongoURIStore" or "uri" in store:
        return _from_uri(store, options)
    if kind != "MongoStore":
        raise ProjectInvalidError(
            f"{_WHERE}: the queue cannot be kept in a {kind}",
            remedy="Use a MongoStore or MongoURIStore.",
        )
    database = _named(store.get("database"))
    return DatabaseEndpoint(_uri_of(store), database, {**_login_of(store), **options})


def _from_uri(store: Mapping[str, Any], options: dict[str, Any]) -> DatabaseEndpoint:
    uri = str(store.get("uri", ""))
    in_uri = urlsplit(uri).path.lstrip("/")
    return DatabaseEndpoint(uri, _named(store.get("database") or in_uri), options)


def _named(database: object) -> str:
    if not database:
        raise ProjectInvalidError(
            f"{_WHERE}: the name of the database is missing", remedy="Add 'database: NAME'."
        )
    return str(database)


def _login_of(store: Mapping[str, Any]) -> dict[str, Any]:
    if not store.get("username"):
        return {}
    return {
        "username": store["username"],
        "password": store.get("password") or "",
        # Without auth_source maggma authenticates against the store's own database.
        "authSource": store.get("auth_source") or store.get("database"),
    }


def _uri_of(store: Mapping[str, Any]) -> str:
    host = str(store.get("host") or "localhost")
    if host.startswith(("mongodb://", "mongodb+srv://")):  # pymongo takes a URI as a host
        return host
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"mongodb://{host}:{int(store.get('port') or MONGO_PORT)}/"


def external_broker(broker: Any) -> BrokerEndpoint:
    """Return where the broker of a project's ``broker`` section is."""
    return BrokerEndpoint(
        url=str(broker.url),
        key_prefix=getattr(broker, "key_prefix", None) or KEY_PREFIX,
        ssl=getattr(broker, "ssl", None),
    )
