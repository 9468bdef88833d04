"""Watching for the ends of local jobs: their final files are looked for, without any command.

A poll of this machine's queue costs a process; a look at a few files costs nothing. So the ends of
local jobs are seen within a tenth of a second, and only then is the queue asked, for proof.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.folders import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.tasks.runtime import Runtime

#: Seconds between two looks at the final files.
LOOK = 0.1
#: Seconds after which the jobs to be watched are read anew from the database.
RENEW = 1.0
#: Seconds that one task watches; the next tick starts another.
WATCH = 8.0

_watched: set[tuple[str, str]] = set()
_lock = threading.Lock()


@contextmanager
def only_one(runtime: Runtime, host_key: str) -> Iterator[bool]:
    """Tell whether the caller is the only one of this process that watches a host."""
    key = (runtime.project.name, host_key)
    with _lock:
        alone = key not in _watched
        _watched.add(key)
    try:
        yield alone
    finally:
        if alone:
            with _lock:
                _watched.discard(key)


def is_watched(runtime: Runtime, names: Sequence[str]) -> bool:
    """Return whether all workers of a host run their jobs as processes of this machine."""
    workers = [runtime.project.get_worker(name) for name in names]
    return all(worker.is_local and worker.scheduler_name == "shell" for worker in workers)


def wait_for_an_end(docs: Sequence[JobDoc], until: float) -> set[str]:
    """Wait until some of the jobs have left their final files.

    Args:
        docs: Jobs in the queue.
        until: When to give up, on the monotonic clock.

    Returns:
        The ``_id`` of those that have; empty if none has in time.
    """
    finals = {doc.id: Path(doc.run_dir) / RunFolder.end(doc.attempt) for doc in docs if doc.run_dir}
    while True:
        ended = {key for key, final in finals.items() if final.exists()}
        if ended or time.monotonic() >= until:
            return ended
        time.sleep(LOOK)
