"""Keeping the lease of a job alive while a step works on it."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from jfcelery.errors import ConflictError, JfceleryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.jobs import Jobs

logger = logging.getLogger(__name__)

#: A lease is renewed when this part of its term has passed.
RENEW_AFTER = 1 / 3
#: Work that takes longer hangs: every remote call has a timeout, but not every call is ours. The
#: job is then free for another step; the fence keeps this one from committing.
LONGEST_WORK = timedelta(hours=6)


@contextmanager
def kept(jobs: Jobs, docs: Sequence[JobDoc], term: timedelta) -> Iterator[None]:
    """Renew the leases of jobs as long as the block runs.

    When a lease is lost, or given back, its renewing ends; the commit finds it out by the fence.
    """
    over = threading.Event()
    name = f"lease-{docs[0].db_id}" if docs else "lease"
    thread = threading.Thread(target=_renew, args=(jobs, docs, term, over), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def _renew(jobs: Jobs, docs: Sequence[JobDoc], term: timedelta, over: threading.Event) -> None:
    end = time.monotonic() + LONGEST_WORK.total_seconds()
    ours = {doc.id: doc for doc in docs}
    while ours and not over.wait(term.total_seconds() * RENEW_AFTER):
        if time.monotonic() >= end:
            names = ", ".join(doc.db_id for doc in ours.values())
            logger.error("A step hangs since %s; job %s is given up.", LONGEST_WORK, names)
            return
        for doc in list(ours.values()):
            try:
                ours[doc.id] = jobs.renew(doc, term)
            except ConflictError:
                del ours[doc.id]
            except JfceleryError as error:
                logger.warning("The lease of job %s could not be renewed: %s", doc.db_id, error)
