"""Celery's way to Redis, without what it does again and again for nothing."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis

_Base: Any = redis.Channel  # whose annotations lack most of it


class Channel(_Base):  # type: ignore[misc]
    """A channel that keeps its client of Redis.

    Kombu makes one for each command: 0.5 ms of processor time, some ten times for each step. The
    client is nothing but a way to the channel's pool of connections, and any threads may use it.
    """

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:  # kombu's
        if asynchronous:
            return super()._create_client(asynchronous=True)
        kept = self._kept
        if kept is None or kept.connection_pool is not self.pool:  # it is another after an outage
            kept = self._kept = super()._create_client()
        return kept


def use() -> None:
    """Let all connections of this process to Redis have such channels."""
    transport: Any = redis.Transport
    transport.Channel = Channel
