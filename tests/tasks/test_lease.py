"""A lease lives as long as the work, but not for ever."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jfcelery.flows.insert import Placement, add_flow
from jfcelery.tasks import lease
from jfcelery.tasks.lease import kept
from tests.support.entries import flow_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from tests.support.bench import Bench

TERM = timedelta(seconds=0.3)


@pytest.fixture
def held(bench: Bench) -> JobDoc:
    """A job under a lease."""
    add_flow(bench.runtime.queue, flow_of({"a": []}), Placement(worker="here"))
    jobs = bench.runtime.jobs
    return jobs.acquire(jobs.get("a"), "me", TERM)


def _renewing(doc: JobDoc) -> bool:
    return any(thread.name == f"lease-{doc.db_id}" for thread in threading.enumerate())


def test_a_lease_is_renewed_while_the_work_lasts(bench: Bench, held: JobDoc) -> None:
    """Its end moves on; when the work is done nobody renews it any more."""
    jobs = bench.runtime.jobs
    assert held.lock_until is not None
    with kept(jobs, [held], TERM):
        wait_until(lambda: jobs.get("a").lock_until != held.lock_until, "a renewal")
    wait_until(lambda: not _renewing(held), "the renewing to end")


def test_a_lease_that_was_lost_is_not_renewed(bench: Bench, held: JobDoc) -> None:
    """Whoever took it over is left alone."""
    jobs = bench.runtime.jobs
    with kept(jobs, [held], TERM):
        doc = jobs.get("a")
        taken = jobs.update(doc, {"lock_id": "you", "fence": doc.fence + 1, "lock_until": None})
        wait_until(lambda: not _renewing(held), "the renewing to end")
        assert jobs.get("a").lock_id == taken.lock_id == "you"
        assert jobs.get("a").lock_until is None


def test_work_that_hangs_loses_its_lease_in_the_end(
    bench: Bench, held: JobDoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that never comes back does not keep its job for ever."""
    monkeypatch.setattr(lease, "LONGEST_WORK", timedelta(0))
    with kept(bench.runtime.jobs, [held], TERM):
        wait_until(lambda: not _renewing(held), "the renewing to end")
    assert bench.runtime.jobs.get("a").lock_until == held.lock_until
