"""How much memory a process takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

#: Where Linux shows its processes; elsewhere ``ps`` is asked.
PROC = Path("/proc")
#: Seconds allowed to ``ps``.
PS_TIMEOUT = 10.0
#: Bytes in the unit of both sources.
KIBIBYTE = 1024


def memory_of(pid: int) -> int | None:
    """Return a process's share of memory in bytes, None if it cannot be told.

    On Linux the proportional set size, in which a page shared by n processes counts as an n-th;
    elsewhere the resident set size.
    """
    if not (PROC / "self").exists():
        return _resident(pid)
    try:
        rollup = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return None
    sizes = (line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))
    size = next(sizes, None)
    return int(size) * KIBIBYTE if size else None


def _resident(pid: int) -> int | None:
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PS_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.strip()
    return int(words) * KIBIBYTE if words.isdigit() else None
