"""The log file of a server: what it said since a moment, and what that means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Bytes after which a log is put aside at the next start.
ROTATE_BYTES = 10_000_000
#: Bytes of a log that are read at most.
TAIL_BYTES = 64_000
#: Characters of one line that are shown at most.
LINE_CHARACTERS = 300

_TELLING = re.compile(
    r"error|fail|fatal|denied|in use|no space|cannot|can't|panic|bad |invalid|not permitted",
    re.IGNORECASE,
)
# What Redis puts before each line: its pid and role, the time, the level.
_STAMP = re.compile(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ \S ")
_HINTS = (
    (r"no space left|disk quota", "Free some space on that disk."),
    (r"permission denied|not permitted|read-only", "Give yourself the right to write there."),
    (r"GLIBC|not found.*\.so|cannot execute|exec format", "The program does not fit this system."),
)


class ServerLog:
    """The part of a log file that is written from now on.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = self._rotate()

    def _rotate(self) -> int:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return 0
        if size > ROTATE_BYTES:
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            return 0
        return size

    def text(self) -> str:
        """Return what was written since; of much, the last part."""
        try:
            with self.path.open("rb") as file:
                end = file.seek(0, 2)
                file.seek(max(self._start, end - TAIL_BYTES))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def reason(self) -> str:
        """Return the line that tells best why the server ended."""
        lines = [line.strip() for line in self.text().splitlines() if line.strip()]
        telling = [line for line in lines if _TELLING.search(line)]
        line = (telling or lines or ["it left no word"])[-1]
        return _STAMP.sub("", line)[:LINE_CHARACTERS]

    def remedy(self) -> str:
        """Return what to do about :meth:`reason`."""
        for pattern, hint in _HINTS:
            if re.search(pattern, self.text(), re.IGNORECASE):
                return f"{hint} Its log: {self.path}"
        return f"Its log: {self.path}"
