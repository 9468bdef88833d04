"""The sessions on one host: few connections, each shared by as many commands as sshd allows."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
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
#: Tries to open a session before giving up: the connection may be dead, or full.
TRIES = 3
#: Tries to connect where sshd hangs up at once (its MaxStartups).
CONNECT_TRIES = 6


@dataclass(eq=False)
class _Shared:
    """A connection and how many sessions are open on it."""

    link: Link
    users: int = 0
    retired: bool = False


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
                channel = self._open_channel(shared.link, deadline)
            except paramiko.ChannelException as exc:  # MaxSessions is lower than we think
                failure = exc
                self._give_back(shared, retire=True)
            except HostTimeoutError:
                self._discard(shared)
                raise
            except (paramiko.SSHException, OSError, EOFError) as exc:  # it died while idle
                failure = exc
                self._discard(shared)
            else:
                return channel, shared.link, partial(self._give_back, shared)
        raise ConnectionFailedError(f"{deadline.what}: no session can be opened: {failure}")

    def _open_channel(self, link: Link, deadline: Deadline) -> Any:
        limit = deadline.left(self._place.connect_timeout)
        try:
            return link.transport.open_session(timeout=limit)
        except paramiko.ChannelException:
            raise
        except paramiko.SSHException as exc:
            if "Timeout" in str(exc):
                text = f"{deadline.what}: the connection stands still ({limit:.0f} s)"
                raise HostTimeoutError(text) from exc
            raise

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
                shared = self._with_room()
                if shared is not None:
                    shared.users += 1
                    return shared
                if not self._opening:
                    self._opening = True
                    self._attempts += 1
                    break
                waited_for = waited_for or self._attempts
                self._changed.wait(deadline.left(1.0))
        return self._connect(deadline)

    def _with_room(self) -> _Shared | None:
        for shared in [one for one in self._links if not one.link.alive]:
            self._links.remove(shared)
            shared.link.close()
        room = [one for one in self._links if not one.retired and one.users < self._limit]
        return room[0] if room else None

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

    def _give_back(self, shared: _Shared, *, retire: bool = False) -> None:
        with self._changed:
            shared.users -= 1
            shared.retired = shared.retired or retire
            done = shared.retired and not shared.users
            if done and shared in self._links:
                self._links.remove(shared)
            self._changed.notify_all()
        if done:
            shared.link.close()

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
