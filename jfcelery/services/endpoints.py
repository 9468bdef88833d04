"""Where a project's database and broker are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Database that holds the queue, in the embedded server.
DATABASE_NAME = "jfcelery"
#: What all keys and channels in the broker begin with.
KEY_PREFIX = "jfcelery:"


@dataclass(frozen=True)
class DatabaseEndpoint:
    """Where the queue's database is.

    Args:
        uri: MongoDB URI, secrets included.
        name: Name of the database.
        options: Further arguments of ``MongoClient`` (TLS and the like).
    """

    uri: str = field(repr=False)
    name: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class BrokerEndpoint:
    """Where the broker is.

    Args:
        url: URL for Celery, secrets included.
        key_prefix: What all our keys begin with.
        ssl: Celery's ``broker_use_ssl``; None without TLS.
    """

    url: str = field(repr=False)
    key_prefix: str = KEY_PREFIX
    ssl: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Endpoints:
    """Where a project's database and broker are.

    Args:
        database: The queue's database.
        broker: The broker of messages.
    """

    database: DatabaseEndpoint
    broker: BrokerEndpoint

    @property
    def broker_url(self) -> str:
        """Return the URL for Celery, secrets included."""
        return self.broker.url

    @property
    def key_prefix(self) -> str:
        """Return what all our keys in the broker begin with."""
        return self.broker.key_prefix
