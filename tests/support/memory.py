"""Memory: a limit that the kernel keeps by killing, and what exceeds it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where control groups of version 1 limit memory, and those of version 2.
FIRST, SECOND = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
#: Megabytes that are taken where nothing prevents it: all limits of tests are below.
ENOUGH = 2000


class NoLimitError(RuntimeError):
    """Raised where the kernel cannot limit memory for us."""


def eat() -> None:
    """Take memory until there is none, or enough was taken to show that nothing limits it."""
    taken = [b"x" * 2**20 for _ in range(ENOUGH)]
    raise AssertionError(f"{len(taken)} MB could be taken")


@contextmanager
def limit(megabytes: int) -> Iterator[list[str]]:
    """Give a command that starts others in a group whose memory is limited.

    The kernel kills the largest process of the group as soon as all of them together need more.

    Raises:
        NoLimitError: The kernel has no such groups, or not for us.
    """
    group, file = _group()
    try:
        group.mkdir()
        (group / file).write_text(str(megabytes * 2**20))
    except OSError as error:
        raise NoLimitError(f"no memory can be limited at {group}: {error}") from error
    try:
        yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    finally:
        # Warm servers end a moment after those that they serve.
        wait_until(lambda: not (group / "cgroup.procs").read_text(), f"{group} to be empty")
        group.rmdir()


def _group() -> tuple[Path, str]:
    name = f"jfct-{os.getpid()}"
    if (FIRST / "memory.limit_in_bytes").exists():
        return FIRST / name, "memory.limit_in_bytes"
    return SECOND / name, "memory.max"
