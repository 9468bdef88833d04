"""Every filter that a step, a listing or an operation sends is served by an index."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jfcelery.cli.watch.snapshot import take
from jfcelery.controller import JobController
from jfcelery.controller.reasons import reasons
from jfcelery.controller.reports import flows_report, jobs_report
from jfcelery.controller.workers import worker_infos
from jfcelery.database.edges import INLINE
from jfcelery.database.indexes import INDEXES
from jfcelery.errors import FlowNotFoundError, WaitTimeoutError
from jfcelery.flows.finish import add_new_jobs, halt
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.flows.insertion import undo_insertion
from jfcelery.states import FlowState, JobState
from jfcelery.wait import wait_for
from tests.support.commands import listen
from tests.support.ends import outcome
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.served import index_of

if TYPE_CHECKING:
    import pytest

    from jfcelery.database.connection import QueueDatabase
    from tests.support.bench import Bench
    from tests.support.commands import Asked, Commands
    from tests.tasks.conftest import MakeBench

_S = JobState
#: What is small by nature, or looked at once in a database's life, and asked in many ways.
_SMALL = frozenset({"auxiliary", "batches"})
#: Asked once for each flow, of the flows.
_ONCE = {"flows {'_id': '=', 'inserting': '=', 'inserter.token': '='}"}


def fan(size: int) -> dict[str, list[str]]:
    """Return a flow of a job, some that wait for it, and one that waits for all of these."""
    names = [f"p{number}" for number in range(size)]
    return {"first": [], **{name: ["first"] for name in names}, "last": names}


def unserved(queue: QueueDatabase, commands: Commands) -> tuple[set[str], set[str]]:
    """Return the filters that no index serves, and the indexes that serve one."""
    attributes = {getattr(queue, name).name: name for name in (*INDEXES, "payloads")}
    bad, used = set(), set()
    for asked in commands.asked():
        attribute = attributes.get(asked.collection)
        if attribute is None or attribute in _SMALL:
            continue
        index = index_of(attribute, asked)
        if index:
            used.add(f"{attribute} {index}")
        elif index is None and (asked.filter or asked.sort):
            bad.add(f"{attribute} {_shape(asked)}")
    return bad, used


def _shape(asked: Asked) -> str:
    fields = {
        name: sorted(value) if isinstance(value, dict) else "="
        for name, value in asked.filter.items()
    }
    return f"{fields}" + (f" sort {asked.sort}" if asked.sort else "")


def run_flows(bench: Bench) -> str:
    """Run flows through the steps, with failures, dynamic jobs and jobs that wait for many."""
    queue, jobs = bench.runtime.queue, bench.runtime.jobs
    flow = flow_of(fan(INLINE + 1), payload=QUICK_JOB)
    add_flow(queue, flow, Placement(worker="here"))
    doc = jobs.get("first")
    made = flow_of({"x1": [], "x2": ["x1"]}, payload=QUICK_JOB)
    add_new_jobs(jobs, doc, outcome(detour=made))
    bench.run_until_rest(flow.uuid)
    other = flow_of({"f1": [], "f2": ["f1"], "f3": ["f2"]}, payload=QUICK_JOB)
    add_flow(queue, other, Placement(worker="here"))
    (bench.folder / "fail").write_text("f1_1\n")
    bench.run_until_rest(other.uuid)
    halt(jobs, jobs.get("f1"), outcome(stop_children=True))
    bench.beat(3600)
    return flow.uuid


def operate(controller: JobController, flow: str) -> None:
    """Do to the flows what a person may do."""
    controller.resume_jobs(states=_S.STOPPED)
    controller.pause_jobs(states=_S.WAITING, raise_on_error=False)
    controller.resume_flow(flow_id=controller.actions.jobs.get("f1").flow)
    controller.rerun_jobs(job_ids=("f1", 1), force=True)
    controller.set_job_run_properties(priority=1, job_ids=("f1", 1), raise_on_error=False)
    controller.stop_jobs(states=_S.READY)
    controller.set_jobs_state(_S.REMOTE_ERROR, job_ids=("f1", 1))
    controller.retry_jobs(states=_S.REMOTE_ERROR, raise_on_error=False)
    controller.rerun_jobs(job_ids=("first", 1), force=True)
    controller.unlock_jobs(flow_ids=flow)
    controller.delete_jobs(job_ids=("f3", 1), delete_output=True)


def look(controller: JobController, flow: str) -> None:
    """List and show the flows in the ways that there are."""
    queue, now = controller.queue, controller.queue.clock.now()
    (one,) = controller.get_jobs_info(job_ids=("last", 1))
    day = now - timedelta(days=1)
    wanted: list[dict[str, Any]] = [
        {"job_ids": ("first", 1)},
        {"db_ids": one.db_id},
        {"flow_ids": flow},
        {"flow_ids": flow, "states": [_S.READY, _S.WAITING]},
        {"states": [_S.READY, _S.WAITING]},
        {"states": [_S.READY, _S.RUNNING], "workers": "here"},
        {"workers": "here"},
        {"name": one.name},
        {"error_class": "SomeError"},
        {"start_date": day},
    ]
    for query in wanted:
        controller.get_jobs_info(**query)
        controller.get_jobs_info(**query, sort=[("db_id", 1)], limit=5)
        controller.count_jobs(**query)
    controller.get_jobs_info(sort=[("updated_on", -1)], limit=5)
    controller.get_jobs_info(sort=[("created_on", -1)], limit=5)
    controller.get_jobs_info(sort=[("db_id", -1)], limit=5)
    flows_wanted: list[dict[str, Any]] = [
        {"flow_ids": flow},
        {"states": FlowState.RUNNING},
        {"db_ids": one.db_id},
        {"job_ids": "first"},
        {"name": "flow"},
        {"start_date": day},
    ]
    for flows in flows_wanted:
        controller.get_flows_info(**flows, with_jobs_info=True)
        controller.count_flows(**flows)
    controller.get_flows_info(sort=[("updated_on", -1)], limit=5)
    controller.get_flows_info(sort=[("created_on", -1)], limit=5)
    controller.get_job_info_by_pid("1")
    controller.get_job_uuids([flow])
    controller.get_trends([_S.COMPLETED, _S.FAILED])
    controller.get_trends([FlowState.COMPLETED])
    for doc in controller.get_jobs_doc(flow_ids=flow):
        reasons(controller.project, queue, doc)
        controller.actions.jobs.history.of(doc)
    jobs_report(queue, "days", 3, workers=controller.project.workers)
    flows_report(queue, "days", 3)
    worker_infos(controller.project, queue)
    take(controller, None)
    with suppress(FlowNotFoundError):
        controller.get_flows_info(flow_ids=str(uuid4()))
    with suppress(WaitTimeoutError):
        wait_for("first", progress=False, timeout=0, project=controller.project)


def test_indexes_serve_everything_that_is_asked(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the steps, listings and operations reads a whole collection to find some of it."""
    commands = listen(monkeypatch)
    bench = make_bench(worker={"max_jobs": 30})
    flow = run_flows(bench)
    controller = JobController.from_project(bench.project)
    operate(controller, flow)
    bench.beat(3600)
    look(controller, flow)
    controller.delete_flows(flow_ids=flow, delete_output=True, cancel_processes=False)
    undo_insertion(bench.runtime.queue, str(uuid4()), None)
    bad, used = unserved(bench.runtime.queue, commands)
    assert bad <= _ONCE
    wanted = {f"{a} {tuple(i)}" for a, all_of in INDEXES.items() if a not in _SMALL for i in all_of}
    assert wanted - used == set(), "indexes that nothing uses"
