"""Operations on jobs: pause, resume, retry, stop, set state, set properties."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pymongo.collection import Collection

from jfcelery.controller.bulk import Manner
from jfcelery.controller.chosen import Chosen
from jfcelery.controller.filters import JobFilter
from jfcelery.database.history import History
from jfcelery.errors import InputError, JobNotFoundError, RefusedError, UnknownNameError
from jfcelery.folders import queue_job_name
from jfcelery.states import FlowState, JobState
from tests.support.queued import Queued

if TYPE_CHECKING:
    from jfcelery.controller import JobController
    from tests.support.projects import ProjectFactory
    from tests.support.queued import MakeFlow

_S = JobState
_NOW = Manner(wait=0)
_CHAIN = {"a": [], "b": ["a"], "c": ["b"]}


def test_pause_and_resume_return_jobs_to_where_they_were(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """READY and WAITING jobs are paused, the flow with them, and all goes on afterwards."""
    flow = make_flow(_CHAIN)
    assert set(controller.pause_jobs(flow_ids=flow.flow)) == set(flow.ids.values())
    assert set(flow.states().values()) == {_S.PAUSED}
    assert controller.get_flows_info(flow_ids=flow.flow)[0].state is FlowState.PAUSED
    controller.resume_jobs(flow_ids=flow.flow)
    assert flow.states() == {"a": _S.READY, "b": _S.WAITING, "c": _S.WAITING}


def test_arguments_without_names_mean_what_they_mean_to_jobflow_remote(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """The first ones select; an unknown name, or one given twice, is refused before anything."""
    flow = make_flow(_CHAIN)
    a, b = (flow.doc(name) for name in "ab")
    call: Any = controller  # type checkers want names
    assert call.pause_jobs([(a.uuid, a.index)]) == [a.db_id]
    assert call.count_jobs({"state": "PAUSED"}) == call.count_jobs(None, None, a.db_id) == 1
    assert call.count_flows({"name": "no such"}) == 0
    assert call.count_flows({"state": "PAUSED"}, None, [a.db_id]) == 1
    assert call.set_jobs_state(_S.FAILED, None, b.db_id) == [b.db_id]
    wrong: list[tuple[list[str], dict[str, Any]]] = [([], {"job_id": "x"}), (["x"], {"job_ids": 1})]
    for given, named in wrong:
        with pytest.raises(TypeError, match="job_id"):
            call.stop_jobs(*given, **named)
    assert flow.states() == {"a": _S.PAUSED, "b": _S.FAILED, "c": _S.WAITING}


def test_a_job_paused_while_its_parent_ran_becomes_ready_when_resumed(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A paused job remembers that its parent is done."""
    flow = make_flow(_CHAIN)
    controller.pause_job(db_id=flow.ids["b"])
    flow.bring("a", _S.COMPLETED)
    assert flow.state("b") is _S.PAUSED
    controller.resume_job(db_id=flow.ids["b"])
    assert flow.state("b") is _S.READY


def test_what_cannot_be_paused_is_refused_with_the_reason_and_the_rest_is_paused(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """In bulk each refused job comes with its reason."""
    flow = make_flow(_CHAIN)
    flow.bring("a", _S.RUNNING)
    result = controller.actions.pause(JobFilter(), _NOW)
    assert set(result.changed) == {flow.ids["b"], flow.ids["c"]}
    (refusal,) = result.refused
    assert refusal.db_id == flow.ids["a"]
    assert "RUNNING" in refusal.reason
    assert "jfc job stop" in refusal.reason


def test_of_many_jobs_only_some_are_in_memory_and_all_are_changed(
    controller: JobController, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come in the order of their numbers, without those that were deleted meanwhile."""
    for module in ("chosen", "actions"):
        monkeypatch.setattr(f"jfcelery.controller.{module}.PIECE", 2)
    names = [f"j{number}" for number in range(11)]
    flow = make_flow({name: [] for name in names})
    chosen = controller.actions.select(JobFilter())
    assert isinstance(chosen, Chosen)
    assert [doc.job.name for doc in chosen] == names
    assert [doc.id for doc in chosen[9:]] == [flow.doc(name).id for name in names[9:]]
    controller.delete_job(db_id=flow.ids["j3"])
    names.remove("j3")
    assert [doc.db_id for doc in chosen] == [flow.ids[name] for name in names]
    assert len(controller.pause_jobs()) == 10
    assert controller.count_jobs_states([_S.PAUSED, _S.READY]) == {_S.PAUSED: 10, _S.READY: 0}


def test_strict_operations_change_nothing_when_a_job_is_refused(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """With raise_on_error the first refusal raises before anything is written."""
    flow = make_flow(_CHAIN)
    flow.bring("a", _S.RUNNING)
    with pytest.raises(RefusedError, match=f"Job {flow.ids['a']}"):
        controller.pause_jobs(flow_ids=flow.flow)
    assert flow.state("b") is _S.WAITING


def test_stop_asks_for_the_queue_job_to_be_cancelled(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A stopped job carries the request to cancel its queue job, by id and by unique name."""
    flow = make_flow(_CHAIN)
    doc = flow.bring("a", _S.RUNNING)
    controller.stop_job(db_id=flow.ids["a"])
    stopped = flow.doc("a")
    assert stopped.state is _S.USER_STOPPED
    assert stopped.epoch == doc.epoch + 1
    (request,) = stopped.cancel
    assert request.queue_id == doc.remote.process_id
    assert request.name == queue_job_name(doc.uuid, 1, 1)
    assert request.folder == doc.run_dir
    assert controller.get_flows_info(flow_ids=flow.flow)[0].state is FlowState.STOPPED


def test_stopping_an_uploaded_job_asks_for_a_queue_job_that_may_be_on_its_way(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A step may have submitted and died before it wrote so: the name finds the queue job."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.UPLOADED)
    controller.stop_job(db_id=flow.ids["a"])
    (request,) = flow.doc("a").cancel
    assert request.queue_id is None
    assert request.name == queue_job_name(flow.uuids["a"], 1, 1)


def test_a_stopped_parent_lets_children_go_that_tolerate_its_absence(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """Children with on_missing NONE become READY; others go on waiting."""
    tolerant = make_flow({"a": [], "b": ["a"]}, on_missing="none")
    strict = make_flow({"a": [], "b": ["a"]})
    controller.stop_jobs(name="a")
    assert tolerant.state("b") is _S.READY
    assert strict.state("b") is _S.WAITING


def test_a_stopped_job_starts_anew_when_resumed(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """Resuming a stopped job makes it READY for a new attempt; the request to cancel stays."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.RUNNING)
    controller.stop_job(db_id=flow.ids["a"])
    controller.resume_job(db_id=flow.ids["a"])
    doc = flow.doc("a")
    assert doc.state is _S.READY
    assert doc.remote.process_id is None
    assert len(doc.cancel) == 1
    flow.bring("a", _S.COMPLETED)
    assert flow.doc("a").attempt == 2


def test_retry_goes_back_to_the_state_before_the_error(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A REMOTE_ERROR job returns to the step that failed, its error forgotten."""
    flow = make_flow({"a": []})
    before = flow.bring("a", _S.REMOTE_ERROR)
    assert before.previous_state is _S.DOWNLOADED
    controller.retry_job(db_id=flow.ids["a"])
    doc = flow.doc("a")
    assert doc.state is _S.DOWNLOADED
    assert doc.remote.error is None
    assert doc.error_class is None
    assert doc.epoch == before.epoch + 1
    assert doc.remote.process_id == before.remote.process_id


def test_retry_ends_the_wait_of_a_job_whose_step_failed_for_a_passing_reason(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A job that waits for its next try is tried at once."""
    flow = make_flow({"a": []})
    doc = flow.bring("a", _S.UPLOADED)
    later = flow.jobs.now() + timedelta(hours=1)
    flow.jobs.update(doc, {"retry_at": later, "remote.step_attempts": 2})
    controller.retry_job(db_id=flow.ids["a"])
    changed = flow.doc("a")
    assert changed.state is _S.UPLOADED
    assert changed.remote.step_attempts == 0
    assert changed.retry_at is not None
    assert changed.retry_at <= flow.jobs.now()


def test_retry_of_a_failed_job_says_that_rerun_is_meant(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """The refusal names the command that would work."""
    flow = make_flow({"a": []})
    flow.bring("a", _S.FAILED)
    with pytest.raises(RefusedError, match="jfc job rerun"):
        controller.retry_job(db_id=flow.ids["a"])


def test_a_job_that_a_step_works_on_is_left_to_the_step(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """A live lease is respected; break_lock takes the job away, and fences the step off."""
    flow = make_flow({"a": []})
    doc = flow.bring("a", _S.UPLOADED)
    leased = flow.jobs.acquire(doc, "somebody", timedelta(minutes=5))
    result = controller.actions.stop(JobFilter(), _NOW)
    assert "somebody" in result.refused[0].reason
    assert flow.state("a") is _S.UPLOADED
    result = controller.actions.stop(JobFilter(), Manner(wait=0, break_lock=True))
    assert result.changed == (flow.ids["a"],)
    with pytest.raises(Exception, match="taken over"):
        flow.jobs.release(leased)


def test_an_expired_lease_is_no_obstacle(controller: JobController, make_flow: MakeFlow) -> None:
    """Leases that ran out need no unlocking."""
    flow = make_flow({"a": []})
    flow.jobs.acquire(flow.bring("a", _S.UPLOADED), "the dead", timedelta(seconds=-1))
    controller.stop_job(db_id=flow.ids["a"], wait=0)
    assert flow.doc("a").lock_id is None


def test_set_state_leads_anywhere_and_moves_the_flow_with_it(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """Setting COMPLETED by hand releases the children, as a run would."""
    flow = make_flow(_CHAIN)
    controller.set_job_state(_S.COMPLETED, db_id=flow.ids["a"])
    assert flow.state("a") is _S.COMPLETED
    assert flow.state("b") is _S.READY
    with pytest.raises(RefusedError, match="already"):
        controller.set_job_state(_S.COMPLETED, db_id=flow.ids["a"])


def test_every_change_is_in_the_history_with_who_did_it(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """The history names the person."""
    flow = make_flow({"a": []})
    controller.pause_jobs()
    changes = History(controller.queue).of(flow.doc("a"))
    assert [change.event for change in changes] == ["insert", "pause"]
    assert changes[-1].by.startswith("user")


def test_properties_change_for_jobs_that_are_not_under_way(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """Priority and resources are set, resources merged, running jobs refused."""
    flow = make_flow({"a": [], "b": []})
    flow.bring("a", _S.RUNNING)
    with pytest.raises(RefusedError, match="RUNNING"):
        controller.set_job_run_properties(priority=3)
    changed = controller.set_job_run_properties(priority=3, raise_on_error=False)
    assert changed == [flow.ids["b"]]
    assert flow.doc("b").priority == 3
    controller.set_job_run_properties(resources={"qverbatim": "x"}, db_ids=flow.ids["b"])
    controller.set_job_run_properties(resources={"job_name": "y"}, db_ids=flow.ids["b"])
    assert flow.doc("b").resources == {"qverbatim": "x", "job_name": "y"}
    controller.set_job_run_properties(
        resources={"job_name": "z"}, update=False, db_ids=flow.ids["b"]
    )
    assert flow.doc("b").resources == {"job_name": "z"}


def test_properties_are_checked_against_the_project(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """Unknown workers, configurations and resource keys change nothing."""
    flow = make_flow({"a": []})
    with pytest.raises(UnknownNameError, match="no worker"):
        controller.set_job_run_properties(worker="elsewhere")
    with pytest.raises(UnknownNameError):
        controller.set_job_run_properties(exec_config="nothing")
    with pytest.raises(RefusedError, match="nodez"):
        controller.set_job_run_properties(resources={"nodez": 1})
    with pytest.raises(InputError, match="Nothing"):
        controller.set_job_run_properties()
    assert flow.doc("a").resources is None


def test_a_remote_error_job_that_changes_its_worker_is_retried_from_the_start(
    make_project: ProjectFactory,
) -> None:
    """What was uploaded lies on the old worker, so retry leads to READY."""
    from jfcelery.controller import JobController

    local = {"type": "local", "scheduler_type": "shell", "work_dir": "/tmp/none"}
    controller = JobController(make_project(workers={"here": local, "there": local}))
    flow = Queued(controller.queue, {"a": []})
    flow.bring("a", _S.REMOTE_ERROR)
    controller.set_job_run_properties(worker="there")
    controller.retry_job(db_id=flow.ids["a"])
    assert flow.state("a") is _S.READY
    assert flow.doc("a").worker == "there"


def test_a_filter_that_matches_nothing_says_so(
    controller: JobController, make_flow: MakeFlow
) -> None:
    """One line names the filter."""
    make_flow({"a": []})
    with pytest.raises(JobNotFoundError, match="name 'x\\*', worker elsewhere"):
        controller.pause_jobs(workers="elsewhere", name="x*")
    with pytest.raises(JobNotFoundError, match="db id 99"):
        controller.pause_job(db_id="99")
    with pytest.raises(InputError, match="exactly one"):
        controller.pause_job(db_id="1", job_id="x")


def test_an_operation_on_many_jobs_takes_few_round_trips(
    controller: JobController, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bulk operations cost a bounded number of commands per thousand jobs, and tell how far."""
    make_flow({f"j{i}": [] for i in range(2000)})
    calls: list[str] = []
    for name in ("bulk_write", "find", "find_one", "update_one"):
        method = getattr(Collection, name)

        def counted(*args: Any, _name: str = name, _method: Any = method, **kwargs: Any) -> Any:
            calls.append(_name)
            return _method(*args, **kwargs)

        monkeypatch.setattr(Collection, name, counted)
    progress: list[int] = []
    controller.actions.pause(JobFilter(), Manner(progress=progress.append))
    assert progress == [1000, 2000]
    assert len(calls) < 50
    assert controller.count_jobs(states=_S.PAUSED) == 2000
