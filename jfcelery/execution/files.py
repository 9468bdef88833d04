"""Writing a file as a whole or not at all, even when the disk is full for a while."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from jfcelery.errors import DiskFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: Seconds that an execution waits for room on a full disk before it gives up.
ROOM_TIMEOUT = 900.0
#: Seconds between two tries.
ROOM_INTERVAL = 10.0

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class Patience:
    """How long to wait for room on a full disk.

    Args:
        timeout: Seconds in total.
        interval: Seconds between two tries.
    """

    timeout: float = ROOM_TIMEOUT
    interval: float = ROOM_INTERVAL

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read ``JFCELERY_DISK_FULL_TIMEOUT`` and ``JFCELERY_DISK_FULL_INTERVAL`` (seconds)."""
        return cls(
            float(environment.get("JFCELERY_DISK_FULL_TIMEOUT", ROOM_TIMEOUT)),
            float(environment.get("JFCELERY_DISK_FULL_INTERVAL", ROOM_INTERVAL)),
        )


def write_atomic(
    path: Path,
    text: str,
    *,
    patience: Patience = Patience(0.0),
    waiting: Callable[[], None] = lambda: None,
) -> None:
    """Write a text file so that it is there completely or not at all.

    Args:
        path: The file.
        text: Its content.
        patience: How long to wait if the disk is full.
        waiting: Called once, before the first wait.

    Raises:
        DiskFullError: There was no room for it all the time.
    """
    data = text.encode()
    deadline = time.monotonic() + patience.timeout
    waited = False
    while True:
        try:
            _replace(path, data)
            return
        except OSError as error:
            if error.errno not in _FULL:
                raise
            if time.monotonic() + patience.interval > deadline:
                raise DiskFullError(
                    f"no room for {len(data)} bytes of {path.name} in {path.parent} "
                    f"({os.strerror(error.errno or 0)}), waited {patience.timeout:.0f} s"
                ) from error
        if not waited:
            waited = True
            waiting()
        time.sleep(patience.interval)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
