"""The newest of many jobs are found without a look at all of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jfcelery.controller import JobController, queries
from jfcelery.controller.filters import FlowFilter, JobFilter
from jfcelery.controller.queries import FIRST, NEWEST, find_flows, find_jobs
from jfcelery.states import JobState
from tests.support.commands import listen
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
    assert queries._newest(queue, {}, 9) is not None
    assert queries._newest(queue, {}, 10) is None


def test_looking_back_finds_those_of_a_state_and_a_flow(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the documents of the flows say that there are many is all that is asked before."""
    queue = JobController.from_project(project).queue
    flows = [Queued(queue, {"a": [], "b": [], "c": ["a"]}) for _ in range(2)]
    now = queue.clock.now()
    for place, flow in enumerate(flows):
        for number, name in enumerate("abc"):
            when = now - timedelta(hours=1 + place + 2 * number)
            queue.jobs.update_one({"_id": flow.doc(name).id}, {"$set": {"updated_on": when}})
    ready = (JobState.READY,)
    filters = [
        JobFilter(states=ready),
        JobFilter(flow_ids=(flows[1].flow,)),
        JobFilter(states=ready, flow_ids=(flows[0].flow,)),
        JobFilter(states=ready, start_date=now - timedelta(hours=3, minutes=30)),
    ]

    def found() -> list[list[str]]:
        return [[d.id for d in find_jobs(queue, f, sort=NEWEST, limit=3)] for f in filters]

    assert queries.count_in_flows(queue, FlowFilter()) == {JobState.READY: 4, JobState.WAITING: 2}
    expected = found()
    assert expected[0] == [
        f.doc(n).id for n, f in (("a", flows[0]), ("a", flows[1]), ("b", flows[0]))
    ]
    monkeypatch.setattr(queries, "MANY", 2)
    assert all(queries._may_be_many(queue, each) for each in filters)
    assert found() == expected
    assert not queries._may_be_many(queue, JobFilter(states=(JobState.FAILED,)))


def test_the_first_jobs_of_a_flow_are_known_by_its_first_id(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless some of them are gone: then all ids are looked at."""
    commands = listen(monkeypatch)
    controller = JobController.from_project(project)
    Queued(controller.queue, {"other": []})
    flow = Queued(controller.queue, {f"j{number}": [] for number in range(12)})
    query = {"flow": flow.flow}

    def first(number: int) -> list[str]:
        found = find_jobs(
            controller.queue, JobFilter(flow_ids=(flow.flow,)), sort=FIRST, limit=number
        )
        return [doc.job.name for doc in found]

    assert [d.job.name for d in queries._first_of_flow(controller.queue, query, 11) or []] == first(
        11
    )
    assert first(11) == [f"j{number}" for number in range(11)]
    wanted = FlowFilter(flow_ids=(flow.flow,))
    (info,) = find_flows(controller.queue, wanted, with_jobs=True, jobs_sort=FIRST, jobs_limit=5)
    assert [job.name for job in info.jobs_info or ()] == [f"j{number}" for number in range(5)]
    filters = [asked.filter for asked in commands.asked() if asked.collection == "jobs"]
    assert query not in filters
    controller.delete_job(db_id=flow.ids["j1"])
    assert queries._first_of_flow(controller.queue, query, 3) is None
    assert first(3) == ["j0", "j2", "j3"]
    assert len(first(20)) == 11


def test_of_many_that_changed_at_once_none_is_read_to_look_back(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database sorts them; what is found is the same.

    If that is known of their flow, since none has changed after it was added, those with the
    smallest ids are read, and what changed since in other flows.
    """
    commands = listen(monkeypatch)
    queue = JobController.from_project(project).queue
    other = Queued(queue, {"other": []})
    flow = Queued(queue, {f"j{number}": [] for number in range(5)}).flow
    by_sorting = find_jobs(queue, JobFilter(), sort=NEWEST, limit=3)
    monkeypatch.setattr(queries, "MANY", 0)
    looking_back = queries._newest(queue, {}, 3)
    assert looking_back is not None
    monkeypatch.setattr(queries, "MOST_AT_ONCE", 5)
    commands.clear()
    assert find_jobs(queue, JobFilter(), sort=NEWEST, limit=3) == by_sorting
    asked = [one.filter for one in commands.asked() if one.collection == "jobs"]
    assert [list(filter_) for filter_ in asked] == [["db_id"], ["updated_on"]]
    assert list(asked[1]["updated_on"]) == ["$gt"]
    later = other.jobs.update(other.doc("other"), {"updated_on": queue.clock.now()})
    newest = find_jobs(queue, JobFilter(), sort=NEWEST, limit=3)
    assert [doc.id for doc in newest] == [later.id, *(doc.id for doc in by_sorting[:2])]
    assert queries._newest(queue, {"state": "READY"}, 3) is None
    queue.jobs.delete_one({"_id": later.id})
    added = queue.flows.find_one({"_id": flow}) or {}
    changed = {"updated_on": added["created_on"] + timedelta(seconds=1)}
    queue.flows.update_one({"_id": flow}, {"$set": changed})
    commands.clear()
    assert queries._newest(queue, {}, 3) is None
    assert len([asked for asked in commands.asked() if asked.collection == "jobs"]) == 1
    found = find_jobs(queue, JobFilter(), sort=NEWEST, limit=3)
    assert len(found) == 3
    assert {doc.updated_on for doc in found} == {raw["updated_on"] for raw in looking_back}


def test_one_looks_back_from_the_last_change_of_a_flow(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long ago that was; jobs that changed since are found as well."""
    commands = listen(monkeypatch)
    queue = JobController.from_project(project).queue
    flow = Queued(queue, {f"j{number}": [] for number in range(5)})
    last = queue.clock.now() - timedelta(days=9)
    queue.flows.update_one({"_id": flow.flow}, {"$set": {"updated_on": last}})
    for number in range(5):
        when = last + timedelta(seconds=30 * (1 - number))
        queue.jobs.update_one({"_id": flow.doc(f"j{number}").id}, {"$set": {"updated_on": when}})
    commands.clear()
    found = queries._newest(queue, {}, 3)
    assert [raw["job"]["name"] for raw in found or ()] == ["j0", "j1", "j2"]
    looks = [asked for asked in commands.asked() if "updated_on" in asked.filter]
    assert {asked.filter["updated_on"]["$gte"] for asked in looks} == {last - timedelta(minutes=1)}
