"""Watching for the ends of local jobs: their final files are looked for, without any command.

A poll of this machine's queue costs a process; a look at a few files costs nothing. So the ends of
local jobs are seen at once, and only then is the queue asked, for proof.
"""

from __future__ import annotations

import contextlib
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.errors import BrokerUnavailableError
from jfcelery.folders import RunFolder
from jfcelery.tasks.sending import sender

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import WorkerBase
    from jfcelery.tasks.runtime import Runtime

#: Seconds between two looks at the final files.
LOOK = 0.05
#: Seconds after which the jobs to be watched are read anew from the database.
RENEW = 1.0
#: Seconds that a watch goes on where no job is left: the next of a chain comes soon.
LINGER = 1.0
#: Seconds that one task watches; the next tick starts another.
WATCH = 8.0

#: What this process alone does just now, each with what wakes it.
_watched: dict[tuple[str, str], threading.Event] = {}
_lock = threading.Lock()


@contextmanager
def only_one(runtime: Runtime, host_key: str) -> Iterator[bool]:
    """Tell whether the caller is the only one of this process that watches a host."""
    key = (runtime.project.name, host_key)
    with _lock:
        alone = key not in _watched
        if alone:
            _watched[key] = threading.Event()
    try:
        yield alone
    finally:
        if alone:
            with _lock:
                del _watched[key]


def watch_soon(runtime: Runtime, worker: WorkerBase) -> None:
    """Have somebody watch for the ends of jobs that were just submitted to this machine.

    Whoever watches in this process is told; if nobody does, a poll is asked for, which then does.
    """
    names = runtime.project.hosts.get(worker.host_key, [])
    if not is_watched(runtime, names):
        return
    with _lock:
        news = _watched.get((runtime.project.name, worker.host_key))
        if news is not None:
            news.set()
            return
    with contextlib.suppress(BrokerUnavailableError):  # the beat's ticks bring one a little later
        sender(runtime.project).watch(worker.host_key)


def wait_for_news(runtime: Runtime, host_key: str, seconds: float) -> bool:
    """Wait until jobs were submitted to a host that this thread watches.

    Returns:
        Whether there were any.
    """
    news = _watched[runtime.project.name, host_key]
    if not news.wait(seconds):
        return False
    news.clear()
    return True


def is_watched(runtime: Runtime, names: Sequence[str]) -> bool:
    """Return whether all workers of a host run their jobs as processes of this machine."""
    workers = [runtime.project.get_worker(name) for name in names]
    return all(worker.is_local and worker.scheduler_name == "shell" for worker in workers)


def wait_for_an_end(
    runtime: Runtime, host_key: str, docs: Sequence[JobDoc], until: float
) -> set[str]:
    """Wait until some of the jobs have left their final files, or others were submitted.

    Args:
        runtime: The project.
        host_key: The host, which this thread watches.
        docs: Jobs in its queue.
        until: When to give up, on the monotonic clock.

    Returns:
        The ``_id`` of those that have; empty if none has in time.
    """
    finals = {doc.id: Path(doc.run_dir) / RunFolder.end(doc.attempt) for doc in docs if doc.run_dir}
    while True:
        ended = {key for key, final in finals.items() if final.exists()}
        if ended or time.monotonic() >= until or wait_for_news(runtime, host_key, LOOK):
            return ended
