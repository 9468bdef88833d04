"""Locks on files: the kernel releases them when their holder ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jfcelery.errors import ServiceStartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Seconds between two tries.
POLL_SECONDS = 0.02
_BUSY = {errno.EAGAIN, errno.EACCES}


class LockFile:
    """A lock on a file, held as long as the file is open here or in a process that inherited it.

    Args:
        path: The file; it is created, and never removed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def fileno(self) -> int:
        """Return the descriptor, for a child that is to hold the lock as well."""
        return self._fd

    def acquire(self, *, timeout: float = 0.0, shared: bool = False) -> bool:
        """Take the lock; return False if others hold it all the ``timeout`` seconds."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        deadline = time.monotonic() + timeout
        while not self._try(kind):
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            raise ServiceStartError(
                f"No file locks on the disk of {self.path.parent}: {error.strerror}",
                remedy="Set base_dir to a local disk, or name an external database and broker.",
            ) from error
        return True

    def close(self) -> None:
        """Close the file; the lock ends unless a child holds it too."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@contextmanager
def locked(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold a lock file exclusively.

    Raises:
        ServiceStartError: Somebody else held it for ``timeout`` seconds.
    """
    lock = LockFile(path)
    try:
        if not lock.acquire(timeout=timeout):
            raise ServiceStartError(
                f"Another process has held {path} for {timeout:.0f} s",
                remedy="It is starting or stopping the service; look at that process.",
            )
        yield
    finally:
        lock.close()
