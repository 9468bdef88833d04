"""The sessions on one host: few connections, each shared by as many commands as sshd allows."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import paramiko
import tenacity

from jfcelery.errors import ConnectionFailedError, HostError, HostTimeoutError
from jfcelery.scheduler_io.hosts.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.scheduler_io.hosts.deadline import Deadline
    from jfcelery.scheduler_io.hosts.place import Place

logger = logging.getLogger(__name__)

#: sshd's MaxSessions where its administrator changed nothing.
MAX_SESSIONS = 10
#: Tries to open a session before giving up: connections may be dead, or full.
TRIES = 12
#: Tries to connect where sshd hangs up at once (its MaxStartups).
CONNECT_TRIES = 6


@dataclass(eq=False)
class _Shared:
    """A connection and the sessions on it.

    sshd counts a session until it has seen both ends closed, which is a round trip later than we
    close ours: till then its place is not free yet.
    """

    link: Link
    users: int = 0
    round_trip: float = 0.0
    closing: list[float] = field(default_factory=list)

    def in_use(self, now: float) -> int:
        """Return how many sessions sshd may be counting."""
        self.closing = [end for end in self.closing if end > now]
        return self.users + len(self.closing)


class Sessions:
    """Opens sessions on a host, and connections as they are needed; thread-safe.

    Args:
        place: The host.
        limit: Sessions at once on one connection. One is kept free for killing commands.
    """

    def __init__(self, place: Place, *, limit: int = MAX_SESSIONS) -> None:
        self._place = place
        self._limit = max(1, limit - 1)
        self._links: list[_Shared] = []
        self._changed = threading.Condition()
        self._opening = False
        self._failed: tuple[int, HostError] | None = None
        self._attempts = 0

    def open(self, deadline: Deadline) -> tuple[Any, Link, Callable[[], None]]:
        """Open a session.

        Returns:
            The channel, its connection, and what to call when the session is over.

        Raises:
            HostError: There is no way to the host.
        """
        failure: Exception | None = None
        for _ in range(TRIES):
            shared = self._take(deadline)
            try:
                channel = self._open_channel(shared, deadline)
            except HostTimeoutError:
                self._discard(shared)
                raise
            except (paramiko.SSHException, OSError, EOFError) as exc:
                failure = exc
                if shared.link.alive:
                    self._learn_limit(shared)
                else:  # it died while nobody used it
                    self._discard(shared)
            else:
                return channel, shared.link, partial(self._give_back, shared)
        raise ConnectionFailedError(f"{deadline.what}: no session can be opened: {failure}")

    def _open_channel(self, shared: _Shared, deadline: Deadline) -> Any:
        limit = deadline.left(self._place.connect_timeout)
        began = time.monotonic()
        try:
            channel = shared.link.transport.open_session(timeout=limit)
        except paramiko.SSHException as exc:
            if "Timeout opening" in str(exc):
                text = f"{deadline.what}: the connection stands still ({limit:.0f} s)"
                raise HostTimeoutError(text) from exc
            raise
        shared.round_trip = 2 * (time.monotonic() - began)
        return channel

    def discard(self, link: Link) -> None:
        """Close a connection that no longer works; what is under way on it fails."""
        for shared in [one for one in self._links if one.link is link]:
            with self._changed:
                if shared in self._links:
                    self._links.remove(shared)
            link.close()

    def close(self) -> None:
        """Close all connections."""
        with self._changed:
            links, self._links = self._links, []
        for shared in links:
            shared.link.close()

    # Connections --------------------------------------------------------------------------------

    def _take(self, deadline: Deadline) -> _Shared:
        """Return a live connection with room, its user counted."""
        waited_for = None
        with self._changed:
            while True:
                if waited_for is not None and self._failed and self._failed[0] >= waited_for:
                    raise self._failed[1]
                shared, pause = self._with_room()
                if shared is not None:
                    shared.users += 1
                    return shared
                if pause:
                    self._changed.wait(deadline.left(pause))
                    continue
                if not self._opening:
                    self._opening = True
                    self._attempts += 1
                    break
                waited_for = waited_for or self._attempts
                self._changed.wait(deadline.left(1.0))
        return self._connect(deadline)

    def _with_room(self) -> tuple[_Shared | None, float]:
        """Return a connection with room; if there is none, how long to wait for one."""
        for shared in [one for one in self._links if not one.link.alive]:
            self._links.remove(shared)
            shared.link.close()
        now = time.monotonic()
        for shared in self._links:
            if shared.in_use(now) < self._limit:
                return shared, 0.0
        soon = [min(one.closing) for one in self._links if one.closing]
        return None, max(0.01, min(soon) - now) if soon else 0.0

    def _connect(self, deadline: Deadline) -> _Shared:
        try:
            link = _open_link(self._place)
        except HostError as exc:
            with self._changed:
                self._opening = False
                self._failed = (self._attempts, exc)
                self._changed.notify_all()
            raise
        deadline.restart()
        shared = _Shared(link, users=1)
        with self._changed:
            self._opening = False
            self._links.append(shared)
            self._changed.notify_all()
        return shared

    def _give_back(self, shared: _Shared) -> None:
        with self._changed:
            shared.users -= 1
            shared.closing.append(time.monotonic() + shared.round_trip)
            self._changed.notify_all()

    def _learn_limit(self, shared: _Shared) -> None:
        """Use no more sessions on a connection than it had when sshd refused a further one."""
        with self._changed:
            shared.users -= 1
            self._limit = max(1, min(self._limit, shared.users))
            self._changed.notify_all()
        logger.info("%s: %d sessions on a connection", self._place.label, self._limit)

    def _discard(self, shared: _Shared) -> None:
        self._give_back(shared)
        self.discard(shared.link)


def _hung_up(exc: BaseException) -> bool:
    """Whether sshd hung up before it said a word, as it does when too many log in at once."""
    cause = exc.__cause__
    if isinstance(cause, EOFError | ConnectionResetError):
        return True
    text = str(cause).lower()
    return "banner" in text and "timed out" not in text and "timeout" not in text


@tenacity.retry(
    retry=tenacity.retry_if_exception(_hung_up),
    wait=tenacity.wait_random_exponential(multiplier=0.3, max=5),
    stop=tenacity.stop_after_attempt(CONNECT_TRIES),
    reraise=True,
)
def _open_link(place: Place) -> Link:
    link = Link(place)
    link.open()
    logger.info("connected to %s", place.label)
    return link
