"""Reports on few jobs and on very many: the same figures, read in pieces."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from jfcelery.controller import JobController, trends, usage
from jfcelery.controller.filters import JobFilter
from jfcelery.controller.queries import count_by_state, job_keys
from jfcelery.controller.reports import JOB_TRENDS, jobs_report
from jfcelery.database import pieces
from jfcelery.states import JobState
from tests.support.commands import listen
from tests.support.queued import Queued

if TYPE_CHECKING:
    from jfcelery.controller.reports import JobsReport
    from jfcelery.project import Project
    from tests.support.commands import Commands

_S = JobState
JOBS = 40


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """What the database is asked."""
    return listen(monkeypatch)


@pytest.fixture
def controller(commands: Commands, project: Project) -> JobController:
    """The controller of a project with jobs of two workers, ended and not, one of them deleted."""
    assert commands is not None
    controller = JobController.from_project(project)
    for worker in ("here", "there"):
        flow = Queued(controller.queue, {f"j{n}": [] for n in range(JOBS // 2)}, worker=worker)
        for number in range(12):
            flow.bring(f"j{number}", _S.FAILED if number % 3 else _S.COMPLETED)
        flow.bring("j12", _S.RUNNING)
        if worker == "there":
            controller.delete_jobs(job_ids=(flow.uuids["j13"], 1))
    return controller


def report(controller: JobController) -> JobsReport:
    """Return the report on all jobs."""
    return jobs_report(controller.queue, "days", 3, workers=controller.project.workers)


def figures(report: JobsReport) -> dict[str, list[float]]:
    """Return what jobs took by worker and flow, without what depends on the order of a sum."""
    found = {**report.usage.by_worker, **report.usage.by_flow, "all": report.usage.total}
    return {name: [round(n, 6) for n in astuple(one)] for name, one in found.items()}


def few_at_once(patch: pytest.MonkeyPatch) -> None:
    """Have a handful of jobs count as very many."""
    for module in (pieces, trends):
        patch.setattr(module, "AT_ONCE", 10)
    patch.setattr(pieces, "SLICE", 5)
    patch.setattr(usage, "PIECE", 3)


def test_very_many_jobs_are_reported_in_pieces(
    controller: JobController, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each job is read once, a few with each query, and so is the history of those that ended."""
    whole = report(controller)
    few_at_once(monkeypatch)
    commands.clear()
    found = report(controller)
    assert figures(found) == figures(whole)
    assert replace(found, usage=whole.usage) == whole
    asked = list(commands.asked())
    jobs = [one.filter for one in asked if one.collection == "jobs" and "uuid" in one.filter]
    sizes = [controller.jobs.count_documents(query) for query in jobs]
    assert len(sizes) == 16
    assert sum(sizes) == JOBS - 1
    assert [one for one in asked if one.collection == "jobs" and not one.filter] == []
    uuids = [one.filter["uuid"]["$in"] for one in asked if one.collection == "history"]
    assert sum(map(len, uuids)) == 24
    assert max(map(len, uuids)) <= 3


def test_the_figures_are_those_of_a_plain_count(
    controller: JobController, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States, workers, what ended today, and what it took."""
    few_at_once(monkeypatch)
    found = report(controller)
    docs: list[dict[str, Any]] = list(controller.jobs.find({}))
    by_state = Counter(doc["state"] for doc in docs)
    assert {str(s): n for s, n in found.state_counts.items() if n} == by_state
    assert found.worker_utilization == Counter(doc["worker"] for doc in docs)
    today = list(found.trends.values())[-1]
    assert today == {state: by_state[state] for state in JOB_TRENDS}
    assert {name: one.jobs for name, one in found.usage.by_worker.items()} == {
        "here": 12,
        "there": 12,
    }
    assert set(found.usage.flow_names.values()) == {"flow"}


def test_trends_of_very_many_are_those_of_few(
    controller: JobController, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more jobs may have changed than are read at once, all are read in pieces."""
    few = controller.get_trends(JOB_TRENDS, "hours", 5)
    few_at_once(monkeypatch)
    commands.clear()
    assert controller.get_trends(JOB_TRENDS, "hours", 5) == few
    fields = [tuple(one.filter) for one in commands.asked() if one.collection == "jobs"]
    assert fields == [("uuid",)] * 16


def test_counts_and_keys_of_all_jobs_are_read_in_pieces(
    controller: JobController, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what is done to all of them needs; keys in the order of the short ids."""
    queue = controller.queue
    counts, keys = count_by_state(queue, JobFilter()), job_keys(queue, JobFilter())
    number_of = {raw["_id"]: int(raw["db_id"]) for raw in controller.jobs.find({})}
    numbers = [number_of[key] for key in keys]
    assert numbers == sorted(numbers)
    few_at_once(monkeypatch)
    commands.clear()
    assert count_by_state(queue, JobFilter()) == counts
    assert job_keys(queue, JobFilter()) == keys
    fields = [tuple(one.filter) for one in commands.asked() if one.collection == "jobs"]
    assert fields == [("uuid",)] * 32


@pytest.mark.parametrize("number, parts", [(20_000, 1), (20_001, 16), (100_000, 256)])
def test_each_uuid_is_in_one_slice(number: int, parts: int) -> None:
    """The slices follow each other without a gap, and have no ends."""
    found = list(pieces.slices(number))
    assert len(found) == parts
    assert number / parts <= max(pieces.AT_ONCE if parts == 1 else 0, pieces.SLICE)
    bounds = [query.get("uuid", {}) for query in found]
    assert "$gte" not in bounds[0]
    assert "$lt" not in bounds[-1]
    assert all(last["$lt"] == this["$gte"] for last, this in pairwise(bounds))
    for name in ("", "A-b", "zz", *(str(uuid4()) for _ in range(50))):
        assert sum(b.get("$gte", "") <= name < b.get("$lt", "~") for b in bounds) == 1, name
