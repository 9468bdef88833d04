"""stdout and stderr of a job: kept whole whatever the job does to them, and read at the end."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import TextIO

from jfcelery.folders import RunFolder

#: Bytes of stderr that an error report quotes.
TAIL = 4000

_STDOUT = 1
_STDERR = 2


class StandardStreams:
    """Remembers the process's stdout and stderr, to restore them when the job is over.

    A job may close them, or let their descriptors be reused for a file of its own: what is then
    printed would end up in that file.

    Args:
        folder: The run folder; its ``queue.err`` is read if stderr is not a file itself.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._streams = (sys.stdout, sys.stderr)
        self._copies = {fd: _duplicate(fd) for fd in (_STDOUT, _STDERR)}

    def log_stream(self) -> TextIO:
        """Return a stream to stdout that the job cannot close by accident."""
        copy = self._copies[_STDOUT]
        return _reopened(_STDOUT if copy is None else copy)

    def restore(self) -> None:
        """Make stdout and stderr what they were."""
        _flush()
        for fd, copy in self._copies.items():
            if copy is not None:
                os.dup2(copy, fd)
        out, err = self._streams
        sys.stdout = out if _usable(out) else _reopened(_STDOUT)
        sys.stderr = err if _usable(err) else _reopened(_STDERR)

    def stderr_tail(self) -> str:
        """Return the last lines written to stderr, as far as they are in a file."""
        _flush()
        copy = self._copies[_STDERR]
        text = "" if copy is None else _tail_of_descriptor(copy)
        return text or tail_of(self._folder / RunFolder.QUEUE_ERR)


def tail_of(path: str | Path, size: int = TAIL) -> str:
    """Return the end of a text file in whole lines; empty if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - size))
            data = file.read(size)
    except OSError:
        return ""
    text = data.decode(errors="replace")
    if length > size and "\n" in text:
        text = text.partition("\n")[2]
    return text.strip("\n")


def _tail_of_descriptor(fd: int) -> str:
    # The file may have been renamed or compressed by the job, so that it has no name any more:
    # Linux opens it through the descriptor.
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return ""
    except OSError:
        return ""
    return tail_of(f"/proc/self/fd/{fd}")


def _duplicate(fd: int) -> int | None:
    try:
        return os.dup(fd)
    except OSError:
        return None


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # Closed by the job, or its disk is full: neither must spoil the job's result.
        with contextlib.suppress(ValueError, OSError, AttributeError):
            stream.flush()


def _usable(stream: object) -> bool:
    return stream is not None and not getattr(stream, "closed", True)


def _reopened(fd: int) -> TextIO:
    return os.fdopen(fd, "w", buffering=1, closefd=False, errors="replace")
