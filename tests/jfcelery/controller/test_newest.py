"""The newest of many jobs are found without a look at all of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jfcelery.controller import JobController, queries
from jfcelery.controller.filters import JobFilter
from jfcelery.controller.queries import NEWEST, find_jobs
from tests.support.queued import Queued

if TYPE_CHECKING:
    import pytest

    from jfcelery.project import Project


def test_looking_back_finds_what_sorting_finds(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same order, whether they changed just now or years ago, and page by page."""
    queue = JobController.from_project(project).queue
    flow = Queued(queue, {f"j{number}": [] for number in range(9)})
    now = queue.clock.now()
    for number in range(9):
        when = now - timedelta(seconds=5**number)  # the last is four days old
        queue.jobs.update_one({"_id": flow.doc(f"j{number}").id}, {"$set": {"updated_on": when}})

    def names(limit: int, skip: int) -> list[str]:
        found = find_jobs(queue, JobFilter(), sort=NEWEST, limit=limit, skip=skip)
        return [doc.job.name for doc in found]

    pages = [(3, 0), (3, 3), (9, 0), (20, 0), (3, 8)]
    sorted_all = [names(*page) for page in pages]
    monkeypatch.setattr(queries, "MANY", 0)
    assert [names(*page) for page in pages] == sorted_all
    assert sorted_all[1] == ["j3", "j4", "j5"]
    assert queries._newest(queue, 9) is not None
    assert queries._newest(queue, 10) is None
