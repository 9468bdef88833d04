"""What the queue's database is asked, as the driver sends it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pymongo.monitoring import CommandListener

from jfcelery.database import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from pymongo import MongoClient
    from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent

    from jfcelery.services.endpoints import DatabaseEndpoint

#: What the driver asks on its own account, or only to get the rest of an answer.
_OF_THE_DRIVER = frozenset({"hello", "ping", "saslStart", "saslContinue", "endSessions", "getMore"})


@dataclass(frozen=True)
class Asked:
    """One filter, with the order that was wanted.

    Args:
        collection: Name of the collection.
        filter: The filter.
        sort: Fields and directions.
    """

    collection: str
    filter: dict[str, Any]
    sort: tuple[tuple[str, int], ...] = ()


class Commands(CommandListener):
    """Notes every command that is sent to the database while it listens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[tuple[str, dict[str, Any]]] = []

    def started(self, event: CommandStartedEvent) -> None:
        """Note a command."""
        if event.command_name not in _OF_THE_DRIVER:
            with self._lock:
                self._seen.append((event.command_name, dict(event.command)))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing is noted of answers."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing is noted of failures."""

    def clear(self) -> None:
        """Forget what was noted."""
        with self._lock:
            self._seen.clear()

    @property
    def number(self) -> int:
        """How many commands were noted."""
        with self._lock:
            return len(self._seen)

    @property
    def names(self) -> list[str]:
        """The commands with their collections, in order."""
        with self._lock:
            return [f"{name} {command.get(name)}" for name, command in self._seen]

    def fields(self) -> set[str]:
        """Return the names of the fields that the commands had."""
        with self._lock:
            return {field for _, command in self._seen for field in command}

    def asked(self) -> Iterator[Asked]:
        """Yield every filter that was sent."""
        with self._lock:
            seen = list(self._seen)
        for name, command in seen:
            yield from _asked(name, command)


def _asked(name: str, command: dict[str, Any]) -> Iterator[Asked]:
    collection = command.get(name)
    if name == "find":
        sort = tuple(dict(command.get("sort") or {}).items())
        yield Asked(str(collection), dict(command.get("filter") or {}), sort)
    elif name == "aggregate":
        for stage in command["pipeline"][:1]:
            if "$match" in stage:
                yield Asked(str(collection), dict(stage["$match"]))
    elif name in {"count", "findAndModify"} and "query" in command:  # else it is an estimate
        yield Asked(str(collection), dict(command["query"]))
    elif name in {"update", "delete"}:
        for one in command["updates" if name == "update" else "deletes"]:
            yield Asked(str(collection), dict(one["q"]))


def listen(patch: pytest.MonkeyPatch) -> Commands:
    """Note what is asked of all queues that are opened from now on."""
    commands, client = Commands(), connection._client

    def listening(endpoint: DatabaseEndpoint) -> MongoClient[dict[str, Any]]:
        return client(
            replace(endpoint, options={**endpoint.options, "event_listeners": [commands]})
        )

    patch.setattr(connection, "_client", listening)
    return commands
