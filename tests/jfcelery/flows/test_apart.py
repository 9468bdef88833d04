"""Parents of a job that has many: apart from its document, which stays small and is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from bson import encode

from jfcelery.controller.archive import archive
from jfcelery.database.connection import open_queue
from jfcelery.database.edges import APART, INLINE, Edges, edges_of, with_parents
from jfcelery.database.jobs import Jobs
from jfcelery.database.schema import prepare
from jfcelery.flows import release
from jfcelery.flows.finish import add_new_jobs
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.flows.release import release_children, settle
from jfcelery.states import JobState
from tests.support.commands import listen
from tests.support.ends import outcome, run, unmet
from tests.support.entries import entry, flow_of

if TYPE_CHECKING:
    from jfcelery.database.documents import JobDoc
    from jfcelery.flows.entries import FlowEntries
    from jfcelery.project import Project

HERE = Placement(worker="here")
_S = JobState
#: One more than a document names.
MANY = [f"p{number}" for number in range(INLINE + 1)]


def _fan_in(jobs: Jobs, parents: list[str] = MANY, **fields: Any) -> FlowEntries:
    flow = flow_of({**{parent: [] for parent in parents}, "child": parents}, **fields)
    add_flow(jobs.queue, flow, HERE)
    return flow


def _end(jobs: Jobs, uuid: str, state: JobState = _S.COMPLETED) -> JobDoc:
    return jobs.transition(run(jobs, uuid), "finalize", state, by="t", fields={"release": True})


def test_a_job_of_any_number_of_parents_has_a_small_document(jobs: Jobs) -> None:
    """Its parents are shown in their order all the same."""
    parents = [f"{number:036}" for number in range(1200)]
    add_flow(jobs.queue, flow_of({**{p: [] for p in parents}, "child": parents}), HERE)
    child = jobs.get("child")
    assert len(encode(child.raw)) < 2000
    assert (child.parents, child.apart, child.unmet) == ([], 1200, [APART])
    assert with_parents(jobs.queue, [child])[0].parents == parents


def test_few_parents_stay_where_scripts_look_for_them(jobs: Jobs) -> None:
    """Up to a number, the document names them itself."""
    _fan_in(jobs, MANY[:-1])
    child = jobs.get("child")
    assert (child.parents, child.apart, child.unmet) == (MANY[:-1], 0, MANY[:-1])
    assert jobs.queue.edges.count_documents({}) == 0


def test_a_job_that_names_its_parents_itself_has_a_small_document(jobs: Jobs) -> None:
    """From its insertion to its last step."""
    parents = [f"{number:036}" for number in range(INLINE)]
    child = f"{INLINE:036}"
    add_flow(jobs.queue, flow_of({**{p: [] for p in parents}, child: parents}), HERE)
    assert len(encode(jobs.get(child).raw)) < 2000
    for parent in parents:
        release_children(jobs, _end(jobs, parent))
    assert len(encode(run(jobs, child).raw)) < 2000


def test_the_end_of_a_parent_leaves_the_child_alone_until_the_last(jobs: Jobs) -> None:
    """No document is written that grows with the number of parents."""
    _fan_in(jobs)
    before = jobs.get("child").version
    for parent in MANY[:-1]:
        assert release_children(jobs, _end(jobs, parent)) == 0
    assert (jobs.get("child").version, unmet(jobs, jobs.get("child"))) == (before, [MANY[-1]])
    assert release_children(jobs, _end(jobs, MANY[-1])) == 1
    assert (jobs.get("child").state, jobs.get("child").unmet) == (_S.READY, [])


def test_parents_that_end_at_once_free_the_child_once(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks last finds that nothing is open, in whatever order the two write."""
    _fan_in(jobs)
    for parent in MANY[2:]:
        release_children(jobs, _end(jobs, parent))
    first, second = (_end(jobs, parent) for parent in MANY[:2])
    let_go, freed = release.let_go_apart, []

    def later(*args: Any, **options: Any) -> int:
        monkeypatch.setattr(release, "let_go_apart", let_go)
        freed.append(release_children(jobs, second))  # between the write of the first and its look
        return let_go(*args, **options)

    monkeypatch.setattr(release, "let_go_apart", later)
    freed.append(release_children(jobs, first))
    assert freed == [1, 0]
    assert jobs.get("child").state is _S.READY


def test_a_release_that_died_between_its_writes_is_made_up(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edge is met, the child was not looked at: a second try finds it all the same."""
    _fan_in(jobs)
    for parent in MANY[1:]:
        release_children(jobs, _end(jobs, parent))
    last = _end(jobs, MANY[0])
    with monkeypatch.context() as patch:
        patch.setattr(release, "let_go_apart", _dies)
        with pytest.raises(RuntimeError):
            release_children(jobs, last)
    assert jobs.get(last.uuid).release
    assert release_children(jobs, jobs.get(last.uuid)) == 1


def _dies(*_args: Any, **_options: Any) -> None:
    raise RuntimeError


def test_the_end_of_a_parent_reads_one_edge_not_all_that_are_open(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The open edges are searched when the one that is known was met, not at each end."""
    commands = listen(monkeypatch)
    jobs = Jobs(open_queue(project))
    prepare(jobs.queue)
    parents = [f"p{place:03}" for place in range(40)]
    _fan_in(jobs, parents)
    for parent in parents[:-1]:
        release_children(jobs, _end(jobs, parent))
    searches = [asked for asked in commands.asked() if {"child", "met"} <= asked.filter.keys()]
    assert len(searches) == 1
    assert jobs.get("child").state is _S.WAITING
    release_children(jobs, _end(jobs, parents[-1]))
    assert jobs.get("child").state is _S.READY


def test_an_edge_that_is_opened_again_is_not_met_by_who_read_it_before(jobs: Jobs) -> None:
    """A rerun of the parent wins against its late release."""
    _fan_in(jobs)
    edges = Edges(jobs.queue)
    read = list(edges.to([MANY[0]]))
    edges.reopen(read)
    assert edges.meet(read) == 0
    assert MANY[0] in unmet(jobs, jobs.get("child"))
    assert edges.meet(list(edges.to([MANY[0]]))) == 1
    assert MANY[0] not in unmet(jobs, jobs.get("child"))


@pytest.mark.parametrize("parents", [MANY[:2], MANY], ids=["inline", "apart"])
def test_the_late_release_of_a_job_that_runs_again_frees_nobody(
    jobs: Jobs, parents: list[str]
) -> None:
    """Between a job's end and the release of its children it was started anew."""
    _fan_in(jobs, parents)
    for parent in parents[1:]:
        release_children(jobs, _end(jobs, parent))
    ended = _end(jobs, parents[0])
    fields = {"epoch": ended.epoch + 1, "release": False}
    jobs.transition(ended, "force_rerun", _S.READY, by="user", fields=fields)
    assert release_children(jobs, ended) == 0
    assert unmet(jobs, jobs.get("child")) == [parents[0]]


@pytest.mark.parametrize("on_missing, state", [("error", _S.WAITING), ("none", _S.READY)])
def test_a_failed_parent_frees_only_tolerant_children(
    jobs: Jobs, on_missing: str, state: JobState
) -> None:
    """OnMissing holds for edges as well."""
    _fan_in(jobs, on_missing=on_missing)
    for parent in MANY:
        release_children(jobs, _end(jobs, parent, _S.FAILED))
    assert jobs.get("child").state is state


def test_a_child_that_came_after_the_end_of_its_parents_is_settled(jobs: Jobs) -> None:
    """Their ends met no edge, since there was none yet."""
    flow = _fan_in(jobs)
    edges = list(Edges(jobs.queue).of(["child_1"]))
    for parent in MANY:
        release_children(jobs, _end(jobs, parent))
    Edges(jobs.queue).reopen(edges)
    jobs.transition(jobs.get("child"), "pause", _S.PAUSED, by="t", fields={"unmet": [APART]})
    jobs.transition(jobs.get("child"), "resume", _S.WAITING, by="t")
    assert settle(jobs, jobs.find({"flow": flow.uuid, "state": _S.WAITING.value})) == 1


@pytest.mark.parametrize("number", [3, INLINE, INLINE + 1])
def test_a_detour_makes_few_parents_many(jobs: Jobs, number: int) -> None:
    """The child waits for every leaf, and for no parent that ended before."""
    _fan_in(jobs, MANY[:number])
    release_children(jobs, _end(jobs, MANY[0]))
    doc = run(jobs, MANY[1])
    leaves = [f"x{place}" for place in range(INLINE)]
    for _ in range(2):  # a step that died is run again
        add_new_jobs(jobs, doc, outcome(detour=flow_of({leaf: [] for leaf in leaves})))
    ended = jobs.transition(doc, "finalize", _S.COMPLETED, by="t", fields={"release": True})
    release_children(jobs, ended)
    child = jobs.get("child")
    assert (child.parents, child.apart) == ([], number + INLINE)
    assert sorted(unmet(jobs, child)) == sorted([*MANY[2:number], *leaves])
    for uuid in [*leaves, *MANY[2:number]]:
        assert jobs.get("child").state is _S.WAITING
        release_children(jobs, _end(jobs, uuid))
    assert jobs.get("child").state is _S.READY


def test_edges_that_an_earlier_job_left_are_not_taken_for_those_of_a_new_one(jobs: Jobs) -> None:
    """What was met for a job that was deleted half-way is open for the next of its key."""
    flow = _fan_in(jobs)
    edges = list(Edges(jobs.queue).of(["child_1"]))
    Edges(jobs.queue).meet(edges)
    archive(jobs, list(jobs.find({"flow": flow.uuid})), why="test")
    assert jobs.queue.edges.count_documents({}) == 0
    Edges(jobs.queue).insert(edges_of(_raw(flow), MANY, ()))
    _fan_in(jobs)
    assert sorted(unmet(jobs, jobs.get("child"))) == sorted(MANY)


def test_who_read_the_edges_of_an_earlier_job_meets_none_of_its_successor(jobs: Jobs) -> None:
    """A release that is late by a whole rerun, in which the job was made anew, changes nothing."""
    flow = _fan_in(jobs)
    edges = Edges(jobs.queue)
    read = list(edges.of(["child_1"]))
    archive(jobs, list(jobs.find({"flow": flow.uuid})), why="test")
    _fan_in(jobs)
    assert edges.meet(read) == 0
    assert sorted(unmet(jobs, jobs.get("child"))) == sorted(MANY)


def _raw(flow: FlowEntries) -> dict[str, Any]:
    return {"_id": "child_1", "flow": flow.uuid, "on_missing": "error"}


def test_a_second_try_leaves_the_edges_of_a_living_job_as_they_are(jobs: Jobs) -> None:
    """Parents that ended between two tries of the step stay met."""
    _fan_in(jobs, MANY)
    doc = run(jobs, MANY[0])
    new = entry("new", [*MANY[1:], MANY[0], "child"])
    made = flow_of({}).model_copy(update={"jobs": [new]})
    add_new_jobs(jobs, doc, outcome(addition=made))
    release_children(jobs, _end(jobs, MANY[1]))
    add_new_jobs(jobs, doc, outcome(addition=made))
    assert MANY[1] not in unmet(jobs, jobs.get("new"))
    assert jobs.get("new").unmet == [f"@{doc.id}", APART]
