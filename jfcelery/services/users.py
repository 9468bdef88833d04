"""Who uses the embedded services: each process holds a shared lock as long as it lives."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jfcelery.services.locks import LockFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jfcelery.services.layout import ServiceFiles

#: Locks that this process (told by its pid: a fork needs its own) holds, by file.
_mine: dict[tuple[int, Path], LockFile] = {}
#: Seconds that a new user waits for somebody who is about to stop the services.
TURN_SECONDS = 120.0


def register(files: ServiceFiles) -> None:
    """Note, until this process ends, that it uses the services of a project.

    Raises:
        ServiceStartError: The folder of the services cannot be written to.
    """
    key = (os.getpid(), files.users_lock)
    if key in _mine:
        return
    files.make()
    lock = LockFile(files.users_lock)
    lock.acquire(shared=True, timeout=TURN_SECONDS)
    if _mine.setdefault(key, lock) is not lock:  # another thread was quicker
        lock.close()


@contextmanager
def alone(files: ServiceFiles) -> Iterator[bool]:
    """Tell whether no other process uses the services, and keep new ones out meanwhile."""
    if not files.users_lock.exists():
        yield True
        return
    mine = _mine.get((os.getpid(), files.users_lock))
    lock = mine or LockFile(files.users_lock)
    try:
        yield lock.acquire()
    finally:
        if mine:
            lock.acquire(shared=True, timeout=TURN_SECONDS)
        else:
            lock.close()
