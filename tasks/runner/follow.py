"""Follow the logs of a running runner."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

#: Seconds between two looks at the logs.
LOOK_INTERVAL = 0.3
#: Bytes of each log that are shown at first.
FIRST_BYTES = 2000


@dataclass
class _Tail:
    """The end of one log, also after a new file has taken its name.

    Args:
        path: The log.
        position: Up to where it has been read, in bytes.
        file: Which file had the name (inode).
        part: The beginning of a line whose end is not there yet.
    """

    path: Path
    position: int = 0
    file: int = 0
    part: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        try:
            status = self.path.stat()
        except OSError:
            return
        self.file = status.st_ino
        self.position = max(status.st_size - FIRST_BYTES, 0)

    def read(self) -> list[str]:
        """Return the lines that are new."""
        try:
            with self.path.open("rb") as log:
                inode = self.path.stat().st_ino
                if inode != self.file or log.seek(0, 2) < self.position:
                    self.file, self.position = inode, 0
                log.seek(self.position)
                fresh = log.read()
        except OSError:
            return []
        self.position += len(fresh)
        *lines, self.part = (self.part + fresh).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def follow(logs: Mapping[str, Path], *, goes_on: Callable[[], bool]) -> Iterator[tuple[str, str]]:
    """Yield name and line of whatever is written to some logs.

    Args:
        logs: The logs by name.
        goes_on: Whether to go on; asked after each round.
    """
    tails = {name: _Tail(path) for name, path in logs.items()}
    while True:
        last = not goes_on()
        for name, tail in tails.items():
            for line in tail.read():
                yield name, line
        if last:
            return
        time.sleep(LOOK_INTERVAL)
