"""The end of a job changes its flow: new jobs, stops, released children; all of it repeatable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.database import edges
from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.database.schema import prepare
from jfcelery.flows import release
from jfcelery.flows.finish import add_new_jobs, descendants, halt
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.flows.release import release_all, release_children, settle
from jfcelery.states import JobState
from tests.support.commands import listen
from tests.support.ends import outcome, run, unmet
from tests.support.entries import entry, flow_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.flows.entries import FlowEntries
    from jfcelery.project import Project

HERE = Placement(worker="here")
_S = JobState
#: What a commit leaves to be done.
RELEASE = {"release": True}


@pytest.fixture(params=[edges.INLINE, 0], ids=["inline", "apart"], autouse=True)
def _place_of_parents(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All holds wherever the parents of a job are kept."""
    monkeypatch.setattr(edges, "INLINE", request.param)


def _insert(jobs: Jobs, edges: Mapping[str, Sequence[str]], **fields: Any) -> FlowEntries:
    flow = flow_of(edges, **fields)
    add_flow(jobs.queue, flow, HERE)
    return flow


def _complete(jobs: Jobs, doc: JobDoc, end: JobState = _S.COMPLETED, **fields: Any) -> JobDoc:
    """Do what finalize does, each part twice, as a step that died would."""
    found = outcome(**fields)
    if end == _S.COMPLETED:
        for _ in range(2):
            halt(jobs, doc, found)
            if not found.stop_jobflow:
                add_new_jobs(jobs, doc, found)
    doc = jobs.transition(doc, "finalize", end, by="test", fields={"release": True})
    release_children(jobs, doc)
    release_children(jobs, jobs.get(doc.uuid, doc.index))
    return jobs.get(doc.uuid, doc.index)


def _states(jobs: Jobs, flow: FlowEntries) -> dict[str, str]:
    docs = jobs.find({"flow": flow.uuid}, sort=[("uuid", 1), ("index", 1)])
    return {d.uuid if d.index == 1 else f"{d.uuid}.{d.index}": d.state.short for d in docs}


def test_a_child_becomes_ready_with_its_last_parent(jobs: Jobs) -> None:
    """One of two parents is not enough; the flag of the release is taken down."""
    flow = _insert(jobs, {"a": [], "b": [], "c": ["a", "b"]})
    done = _complete(jobs, run(jobs, "a"))
    assert not done.release
    assert _states(jobs, flow) == {"a": "C", "b": "R", "c": "W"}
    _complete(jobs, run(jobs, "b"))
    assert _states(jobs, flow) == {"a": "C", "b": "C", "c": "R"}
    assert jobs.get("c").unmet == []


@pytest.mark.parametrize("piece", [500, 1])
def test_the_children_of_many_ended_jobs_become_ready(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """Of all with children, those without lose their flags; also where there are very many."""
    monkeypatch.setattr(release, "PIECE", piece)
    flow = _insert(jobs, {"a": [], "b": [], "c": [], "d": ["a"], "e": ["a", "b"], "f": ["a", "b"]})
    ended = [
        jobs.transition(run(jobs, name), "finalize", _S.COMPLETED, by="test", fields=RELEASE)
        for name in "abc"
    ]
    stale = jobs.update(ended[2], {"swept": 7})  # somebody else writes to the one without children
    release_all(jobs, ended)
    assert _states(jobs, flow) == dict.fromkeys("abc", "C") | dict.fromkeys("def", "R")
    assert not any(jobs.get(name).release for name in "abc")
    assert jobs.get("c").swept == stale.swept


def test_very_many_children_are_read_by_their_short_ids(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that came later are released as well, and others of the flow are left alone."""
    monkeypatch.setattr(release, "PIECE", 2)
    monkeypatch.setattr(edges, "INLINE", 16)
    commands = listen(monkeypatch)
    queue = open_queue(project)
    prepare(queue)
    jobs = Jobs(queue)
    numbered = [f"c{number}" for number in range(5)]
    near = {"a": [], "other": [], **{name: ["a"] for name in numbered}, "apart": ["other"]}
    flow = _insert(jobs, {**near, "gap": [], "gap2": [], "late": ["a"]})
    ended = jobs.transition(run(jobs, "a"), "finalize", _S.COMPLETED, by="test", fields=RELEASE)
    commands.clear()
    assert release_children(jobs, ended) == 6
    free = {"other", "gap", "gap2", "late", *numbered}
    assert _states(jobs, flow) == dict.fromkeys(free, "R") | {"a": "C", "apart": "W"}
    filters = [asked.filter for asked in commands.asked() if asked.collection == "jobs"]
    assert [f["db_id"]["$in"] for f in filters if "db_id" in f] == [
        [jobs.get(name).db_id for name in pair]
        for pair in (("c0", "c1"), ("c2", "c3"), ("c4", "apart"), ("gap", "gap2"))
    ]
    assert len([f for f in filters if "unmet" in f]) == 2  # what is left at last: one


@pytest.mark.parametrize("order", [1, -1])
def test_children_of_the_newest_of_two_indices_become_ready(jobs: Jobs, order: int) -> None:
    """Whichever of the two is looked at first."""
    flow = _insert(jobs, {"a": [], "b": ["a"]})
    again = flow_of({}).model_copy(update={"jobs": [entry("a", index=2)], "leaves": ["a"]})
    _complete(jobs, run(jobs, "a"), replace=again)
    jobs.transition(run(jobs, "a", 2), "finalize", _S.COMPLETED, by="test", fields=RELEASE)
    both = [jobs.get("a", 1), jobs.get("a", 2)]
    both[0] = jobs.update(both[0], RELEASE)  # its own release has not been done either
    release_all(jobs, both[::order])
    assert _states(jobs, flow) == {"a": "C", "a.2": "C", "b": "R"}
    assert not any(jobs.get("a", index).release for index in (1, 2))


def test_many_ended_jobs_without_children_cost_no_more_commands_than_a_few(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their flags go with one."""
    commands = listen(monkeypatch)
    queue = open_queue(project)
    prepare(queue)
    jobs = Jobs(queue)
    numbers = []
    for names in (["a", "b"], [f"j{number}" for number in range(12)]):
        _insert(jobs, {name: [] for name in names})
        ended = [
            jobs.transition(run(jobs, name), "finalize", _S.COMPLETED, by="test", fields=RELEASE)
            for name in names
        ]
        commands.clear()
        release_all(jobs, ended)
        numbers.append(commands.number)
        assert not any(jobs.get(name).release for name in names)
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("on_missing, state", [("error", "W"), ("none", "R"), ("pass", "R")])
def test_a_failed_parent_frees_only_tolerant_children(
    jobs: Jobs, on_missing: str, state: str
) -> None:
    """OnMissing decides whether a child runs after a failed parent."""
    flow = _insert(jobs, {"a": [], "b": ["a"]}, on_missing=on_missing)
    _complete(jobs, run(jobs, "a"), _S.FAILED)
    assert _states(jobs, flow) == {"a": "F", "b": state}


def test_children_of_a_replaced_job_wait_for_the_replacement(jobs: Jobs) -> None:
    """The uuid is done only with its newest index."""
    flow = _insert(jobs, {"a": [], "b": ["a"]})
    inner = entry("x")
    again = entry("a", ["x"], index=2)
    replace = flow_of({}).model_copy(update={"jobs": [inner, again], "leaves": ["a"]})
    _complete(jobs, run(jobs, "a"), replace=replace)
    assert _states(jobs, flow) == {"a": "C", "a.2": "W", "b": "W", "x": "R"}
    _complete(jobs, run(jobs, "x"))
    assert _states(jobs, flow) == {"a": "C", "a.2": "R", "b": "W", "x": "C"}
    _complete(jobs, run(jobs, "a", 2))
    assert _states(jobs, flow) == {"a": "C", "a.2": "C", "b": "R", "x": "C"}


def test_children_wait_for_a_replacement_without_their_parent(jobs: Jobs) -> None:
    """A replacing Flow without output has no job of the old uuid: its leaves are waited for."""
    flow = _insert(jobs, {"a": [], "b": ["a"]})
    _complete(jobs, run(jobs, "a"), replace=flow_of({"x": []}))
    assert _states(jobs, flow) == {"a": "C", "b": "W", "x": "R"}
    _complete(jobs, run(jobs, "x"))
    assert _states(jobs, flow)["b"] == "R"


def test_children_wait_for_a_detour(jobs: Jobs) -> None:
    """The leaves of a detour come between a job and its children."""
    flow = _insert(jobs, {"a": [], "b": ["a"]})
    _complete(jobs, run(jobs, "a"), detour=flow_of({"x": [], "y": ["x"]}))
    assert _states(jobs, flow) == {"a": "C", "b": "W", "x": "R", "y": "W"}
    _complete(jobs, run(jobs, "x"))
    assert _states(jobs, flow)["b"] == "W"
    _complete(jobs, run(jobs, "y"))
    assert _states(jobs, flow)["b"] == "R"


def test_a_paused_child_waits_for_a_detour_too(jobs: Jobs) -> None:
    """What a person holds back meanwhile starts no earlier than it would have without."""
    flow = _insert(jobs, {"a": [], "b": ["a"]})
    running = run(jobs, "a")
    jobs.transition(jobs.get("b"), "pause", _S.PAUSED, by="user")
    _complete(jobs, running, detour=flow_of({"x": []}))
    child = jobs.get("b")
    assert (child.state, unmet(jobs, child)) == (_S.PAUSED, ["x"])
    _complete(jobs, run(jobs, "x"))
    assert jobs.get("b").unmet == []
    assert _states(jobs, flow)["b"] == "P"


def test_children_that_are_deleted_meanwhile_stop_nobody(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job ends as usual though somebody deletes its children in the same moment."""
    _insert(jobs, {"a": [], "b": ["a"], "c": ["a"]})
    running = run(jobs, "a")

    def too_late(*_args: Any, **_options: Any) -> list[JobDoc]:
        jobs.queue.jobs.delete_many({"uuid": {"$in": ["b", "c"]}})
        return []

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "transition_many", too_late)
        halt(jobs, running, outcome(stop_children=True))
    _insert(jobs, {"b": ["a"], "c": ["a"]})
    ended = jobs.transition(running, "finalize", _S.COMPLETED, by="t", fields={"release": True})
    monkeypatch.setattr(jobs, "transition_many", too_late)
    monkeypatch.setattr(jobs.edges, "is_open", lambda _key: bool(too_late()))
    assert release_children(jobs, ended) == 0
    assert not jobs.get("a").release


def test_many_jobs_are_settled_by_few_queries(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at a hundred waiting jobs does not ask for each of their parents."""
    _insert(jobs, {"p": [], "q": [], **{f"j{n}": ["p", "q"] for n in range(100)}})
    waiting = list(jobs.find({"state": _S.WAITING.value}))
    asked: list[str] = []
    for name in ("find", "find_one"):
        ask = getattr(jobs.queue.jobs, name)

        def counting(*args: Any, ask: Any = ask, **options: Any) -> Any:
            asked.append(str(args))
            return ask(*args, **options)

        monkeypatch.setattr(jobs.queue.jobs, name, counting)
    assert settle(jobs, waiting) == 0
    assert len(asked) <= 2


def test_an_addition_runs_beside_the_children(jobs: Jobs) -> None:
    """Neither waits for the other."""
    flow = _insert(jobs, {"a": [], "b": ["a"]})
    _complete(jobs, run(jobs, "a"), addition=flow_of({"x": []}))
    assert _states(jobs, flow) == {"a": "C", "b": "R", "x": "R"}
    assert sum(jobs.flows.get(flow.uuid).counts.values()) == 3


def test_stop_children_stops_all_below_but_not_what_the_job_adds(jobs: Jobs) -> None:
    """Descendants are STOPPED, siblings and additions run."""
    flow = _insert(jobs, {"a": [], "b": ["a"], "c": ["b"], "d": []})
    _complete(jobs, run(jobs, "a"), stop_children=True, addition=flow_of({"x": []}))
    assert _states(jobs, flow) == {"a": "C", "b": "ST", "c": "ST", "d": "R", "x": "R"}


def test_stop_jobflow_stops_all_that_has_not_begun(jobs: Jobs) -> None:
    """Jobs under way go on; nothing is added."""
    flow = _insert(jobs, {"a": [], "b": ["a"], "d": [], "e": []})
    running = run(jobs, "e")
    _complete(jobs, run(jobs, "a"), stop_jobflow=True, detour=flow_of({"x": []}))
    assert _states(jobs, flow) == {"a": "C", "b": "ST", "d": "ST", "e": "D"}
    _complete(jobs, running)
    assert _states(jobs, flow)["e"] == "C"


def test_jobs_whose_parents_ended_before_they_came_are_settled(jobs: Jobs) -> None:
    """A new job that refers to an old one becomes READY though that one's end is long past."""
    flow = _insert(jobs, {"a": [], "b": []})
    _complete(jobs, run(jobs, "a"))
    doc = run(jobs, "b")
    late = entry("x", ["a"])
    add_new_jobs(jobs, doc, outcome(addition=flow_of({}).model_copy(update={"jobs": [late]})))
    # as if "a" had ended between the look at it and the insertion
    _wait_for(jobs, "x", "a")
    _complete(jobs, doc)
    assert unmet(jobs, jobs.get("x")) == ["a"]
    settle(jobs, [jobs.get("x")])
    assert _states(jobs, flow)["x"] == "R"


def _wait_for(jobs: Jobs, uuid: str, parent: str) -> None:
    doc = jobs.get(uuid)
    if not doc.apart:
        jobs.update(doc, {"unmet": [*doc.unmet, parent]})
        return
    jobs.edges.reopen(edge for edge in jobs.edges.of([doc.id]) if edge.parent == parent)


def test_descendants_are_found_once_in_a_diamond(jobs: Jobs) -> None:
    """Two ways to a job yield it once."""
    _insert(jobs, {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "z": []})
    assert sorted(d.uuid for d in descendants(jobs, jobs.get("a"))) == ["b", "c", "d"]
