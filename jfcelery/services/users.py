"""Who uses the embedded services: each process holds a shared lock as long as it lives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jfcelery.services.locks import LockFile

if TYPE_CHECKING:
    from pathlib import Path

#: Locks that this process (told by its pid: a fork needs its own) holds, by file.
_mine: dict[tuple[int, Path], LockFile] = {}
#: Seconds that somebody may be looking whether there are users.
LOOK_SECONDS = 5.0


def _file(base: Path) -> Path:
    return base.absolute() / "services" / "users.lock"


def register(base: Path) -> None:
    """Note, until this process ends, that it uses the services below ``base``."""
    key = (os.getpid(), _file(base))
    if key in _mine:
        return
    lock = LockFile(key[1])
    if _mine.setdefault(key, lock) is lock:
        lock.acquire(shared=True, timeout=LOOK_SECONDS)
    else:  # another thread was quicker
        lock.close()


def used_by_others(base: Path) -> bool:
    """Return whether any other process uses the services below ``base``."""
    file = _file(base)
    if not file.exists():
        return False
    mine = _mine.get((os.getpid(), file))
    lock = mine or LockFile(file)
    try:
        return not lock.acquire()
    finally:
        if mine:
            lock.acquire(shared=True, timeout=LOOK_SECONDS)
        else:
            lock.close()
