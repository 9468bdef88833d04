"""The database's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from jfcelery.database.clock import REFRESH_SECONDS, RETRY_SECONDS, Clock, ticks
from jfcelery.errors import DatabaseUnavailableError

START = datetime(2026, 1, 1, tzinfo=UTC)


class Server:
    """A server's clock, and a local one whose ticks the test moves.

    Args:
        trip: Seconds that a round trip takes.
    """

    def __init__(self, *, trip: float = 0.0) -> None:
        self.local = 1000.0
        self.time = START
        self.asked = 0
        self.down = False
        self._trip = trip

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.local += seconds
        self.time += timedelta(seconds=seconds)

    def ask(self) -> datetime:
        """Answer as the server does, half a round trip later and earlier."""
        self.asked += 1
        if self.down:
            raise ServerSelectionTimeoutError("no server")
        self.pass_(self._trip / 2)
        said = self.time
        self.pass_(self._trip / 2)
        return said

    def clock(self) -> Clock:
        """Return a clock that follows this server."""
        return Clock(self.ask, ticks=lambda: self.local)


def test_it_shows_the_servers_time() -> None:
    """Whatever the local clock says, the server's time counts."""
    server = Server()
    clock = server.clock()
    assert clock.now() == START
    server.pass_(10)
    assert clock.now() == START + timedelta(seconds=10)
    assert server.asked == 1


def test_half_of_the_round_trip_is_added() -> None:
    """The answer of a slow server is old when it arrives."""
    server = Server(trip=0.4)
    assert server.clock().now() == server.time == START + timedelta(seconds=0.4)


def test_it_asks_again_after_a_minute() -> None:
    """A clock that is set meanwhile is followed."""
    server = Server()
    clock = server.clock()
    clock.now()
    server.time += timedelta(hours=1)
    server.pass_(REFRESH_SECONDS)
    assert clock.now() == server.time
    assert server.asked == 2


def test_it_goes_on_while_the_server_is_down() -> None:
    """What was learnt serves until the server is back, which is asked for now and then."""
    server = Server()
    clock = server.clock()
    clock.now()
    server.down = True
    server.pass_(REFRESH_SECONDS)
    assert clock.now() == server.time
    assert clock.now() == server.time
    assert server.asked == 2
    server.pass_(RETRY_SECONDS)
    assert clock.now() == server.time
    assert server.asked == 3


def test_a_server_never_reached_is_an_error() -> None:
    """Without any answer there is no time to show."""
    server = Server()
    server.down = True
    with pytest.raises(DatabaseUnavailableError, match="no server"):
        server.clock().now()


def test_milliseconds_are_kept_as_mongodb_keeps_them() -> None:
    """A time that is stored and read again equals itself."""
    server = Server()
    server.time += timedelta(microseconds=1234567)
    assert server.clock().now() == START + timedelta(milliseconds=1234)


def test_ticks_never_go_back() -> None:
    """The local clock that is used does not jump."""
    assert ticks() <= ticks()
