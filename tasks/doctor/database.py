"""The queue's database: version, clock, indexes, size."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jfcelery.database.connection import open_queue, translated
from jfcelery.database.indexes import INDEXES
from jfcelery.database.schema import prepare
from jfcelery.tasks.doctor.finding import Finding, error, fine, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.project import Project

#: The oldest MongoDB that is known to do.
OLDEST = (4, 4)
#: Seconds that two clocks may differ.
SKEW = 2.0
#: Jobs that the embedded database is meant for.
EMBEDDED_JOBS = 10_000
#: Milliseconds of a round trip above which every step is slow.
SLOW = 100.0


def check(project: Project) -> Iterator[Finding]:
    """Yield what there is to say of the queue's database."""
    queue = open_queue(project)
    prepare(queue)
    embedded = project.uses_embedded_database
    with translated():
        number = str(queue.client.server_info()["version"])
        begin = time.monotonic()
        queue.database.command("ping")
        lag = 1000 * (time.monotonic() - begin)
        jobs = queue.jobs.estimated_document_count()
    kind = "embedded" if embedded else f"MongoDB {number}"
    text = f"{kind}, answers in {lag:.0f} ms, {jobs} jobs"
    if not embedded and tuple(int(part) for part in number.split(".")[:2]) < OLDEST:
        yield error("database", f"MongoDB {number} is too old", "Use MongoDB 4.4 or newer.")
    elif lag > SLOW:
        remedy = "Move the database nearer to the Celery workers, or give it a faster disk."
        yield warning("database", text, remedy)
    elif embedded and jobs > EMBEDDED_JOBS:
        remedy = "Name a MongoDB (4.4 or newer) under queue: in the project file."
        yield warning("database", f"{text}; the embedded database is for fewer", remedy)
    else:
        yield fine("database", text)
    yield from _clock(queue)
    yield from _indexes(queue)


def _clock(queue: QueueDatabase) -> Iterator[Finding]:
    with translated():
        begin = datetime.now(UTC)
        theirs = queue.client["admin"].command("hello")["localTime"]
        ours = begin + (datetime.now(UTC) - begin) / 2
    skew = abs((theirs.replace(tzinfo=UTC) - ours).total_seconds())
    text = f"the database's clock differs from this machine's by {skew:.1f} s"
    if skew > SKEW:
        yield warning("clock", text, "Set both by NTP (timedatectl set-ntp true).")
    else:
        yield fine("clock", text)


def _indexes(queue: QueueDatabase) -> Iterator[Finding]:
    missing: list[str] = []
    with translated():
        for attribute, wanted in INDEXES.items():
            there = {tuple(i["key"].items()) for i in getattr(queue, attribute).list_indexes()}
            missing += [
                f"{attribute}({', '.join(field for field, _ in key)})"
                for key in wanted
                if tuple(key) not in there
            ]
    if missing:
        text = f"missing: {', '.join(missing)}: listings and steps are slow"
        yield warning("indexes", text, "jfc admin index rebuild")
    else:
        yield fine("indexes", "all are there")
