"""What a running system needs, cut off: the cluster, the database, Redis.

Each cut lets a number of operations through first, so that it meets a step anywhere in its middle.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import wraps
from typing import TYPE_CHECKING, Any

import redis
from pymongo.errors import AutoReconnect
from pymongo.synchronous.mongo_client import MongoClient
from redis.connection import ConnectionPool

from jfcelery.errors import BrokerUnavailableError, ConnectionLostError
from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
from tests.support.bench import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class Cut(ABC):
    """Something that can be away.

    Args:
        patch: Puts the cut in place.
    """

    #: Where operations pass: an owner, and the names of its methods.
    places: tuple[tuple[Any, tuple[str, ...]], ...] = ()

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._left: int | None = None
        for owner, names in self.places:
            for name in names:
                patch.setattr(owner, name, self._passed(getattr(owner, name)))

    @abstractmethod
    def error(self) -> Exception:
        """Return what an operation gets that does not pass."""

    def begin(self, *, after: int = 0) -> None:
        """Be away, once so many operations have passed."""
        self._left = after

    def end(self) -> None:
        """Be there again."""
        self._left = None

    def _passed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(*args: Any, **options: Any) -> Any:
            if self._left is not None:
                if self._left <= 0:
                    raise self.error()
                self._left -= 1
            return function(*args, **options)

        return run


class HostCut(Cut):
    """The cluster cannot be reached by SSH."""

    places = (
        (
            SimulatedHost,
            ("run", "publish", "publish_all", "fetch", "fetch_all", "read_text", "remove"),
        ),
    )

    def error(self) -> Exception:
        """Return what the hosts make of a connection that breaks."""
        return ConnectionLostError("far: no route to host")


class DatabaseCut(Cut):
    """The database does not answer, nor does the JobStore, which is the same server here."""

    places = ((MongoClient, ("_select_server",)),)

    def error(self) -> Exception:
        """Return what the driver makes of a connection that breaks."""
        return AutoReconnect("127.0.0.1:27017: connection closed")


class BrokerCut(Cut):
    """Redis does not answer: neither messages nor places on hosts."""

    places = (
        (Recorder, ("chain", "together", "send")),
        (ConnectionPool, ("get_connection",)),
    )

    def error(self) -> Exception:
        """Return what a sender makes of it, which the client's own error is a kind of too."""
        return _AwayError("Redis does not take messages: connection refused")


class _AwayError(BrokerUnavailableError, redis.ConnectionError):
    """What the sender raises, and what Redis's client does."""
