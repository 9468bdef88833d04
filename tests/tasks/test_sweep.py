"""The sweep sets everything going again; nothing that is broken keeps it from the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import FlowState, JobState
from jfcelery.tasks import sweep as module
from jfcelery.tasks.sweep import sweep
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.bench import Bench

_S = JobState


def add(bench: Bench, edges: Mapping[str, Sequence[str]], **fields: Any) -> str:
    """Add a flow of quick jobs, and return its uuid."""
    flow = flow_of(edges, payload=QUICK_JOB, **fields)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    return flow.uuid


def _stand(bench: Bench, uuid: str) -> None:
    """Let a job stand where its wait is over."""
    jobs = bench.runtime.jobs
    fields = {"retry_at": jobs.now() - timedelta(seconds=1), "epoch": 1}
    jobs.transition(jobs.get(uuid), "checkout", _S.CHECKED_OUT, by="test", fields=fields)


def test_a_damaged_document_keeps_nobody_from_going_on(bench: Bench) -> None:
    """The job beside it is sent again, and the flows are counted."""
    add(bench, {"a": [], "b": []})
    for uuid in "ab":
        _stand(bench, uuid)
    bench.runtime.queue.jobs.update_one({"_id": "a_1"}, {"$set": {"created_on": "yesterday"}})
    sweep(bench.runtime)
    assert [message.args[0] for message in bench.messages] == ["b"]


@pytest.mark.parametrize(
    "part", ["_send_standing", "_release_pending", "_cancel_pending", "_renew_flows"]
)
def test_a_defect_in_one_part_keeps_no_other_from_its_work(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What was not foreseen is logged; READY jobs are taken all the same."""
    add(bench, {"a": []})

    def broken(*_args: object) -> None:
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr(module, part, broken)
    sweep(bench.runtime)
    assert bench.runtime.jobs.get("a").state is _S.CHECKED_OUT
    assert "a defect of ours" in caplog.text


def test_jobs_of_a_worker_that_is_gone_are_told_so(bench: Bench) -> None:
    """A job under way whose worker left the project file is REMOTE_ERROR; others go on."""
    add(bench, {"a": []}, worker="gone")
    flow = add(bench, {"b": []})
    _stand(bench, "a")
    _stand(bench, "b")
    sweep(bench.runtime)
    bench.drain()
    doc = bench.runtime.jobs.get("a")
    assert (doc.state, doc.error_class) == (_S.REMOTE_ERROR, "UnknownNameError")
    assert "gone" in (doc.remote.error or "")
    assert bench.states(flow)["b"] != "CE"


def test_flows_that_are_right_are_counted_in_one_query(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at many flows of which nothing moves does not read and count each by itself."""
    drifted = [add(bench, {f"j{n}": []}) for n in range(20)][7]
    bench.runtime.queue.flows.update_one({"_id": drifted}, {"$inc": {"counts.RUNNING": 2}})
    bench.forward(100)
    counted = []
    flows = type(bench.runtime.jobs.flows)
    count = flows.count

    def counting(*args: Any) -> Any:
        counted.append(args)
        return count(*args)

    monkeypatch.setattr(flows, "count", counting)
    monkeypatch.setattr(module, "checkout", lambda _runtime: 0)
    sweep(bench.runtime)
    assert bench.runtime.jobs.flows.get(drifted).counts == {_S.READY: 1}
    assert len(counted) <= 2


def test_a_stopped_flow_whose_last_moves_were_lost_is_told_right(bench: Bench) -> None:
    """Those of its jobs that a process made, which died before it wrote to the flow."""
    flow = add(bench, {"a": []})
    jobs, flows = bench.runtime.jobs, bench.runtime.jobs.flows
    jobs.transition(jobs.get("a"), "stop", _S.USER_STOPPED, by="test")
    before = flows.get(flow).raw
    bench.forward(100)
    sweep(bench.runtime)
    assert flows.get(flow).state is FlowState.STOPPED
    jobs.transition(jobs.get("a"), "resume", _S.READY, by="test")

    def over() -> bool:
        bench.beat()
        bench.drain()
        return bench.states(flow)["a"] == "C"

    wait_until(over, "the job to end")
    lost = {name: before[name] for name in ("state", "counts")}
    bench.runtime.queue.flows.update_one({"_id": flow}, {"$set": lost})
    bench.forward(100)
    sweep(bench.runtime)
    assert flows.get(flow).state is FlowState.COMPLETED


def test_a_job_whose_parents_ended_unseen_starts_beside_an_error(bench: Bench) -> None:
    """A job in REMOTE_ERROR does not keep the sweep from settling the rest of its flow."""
    flow = add(bench, {"a": [], "b": ["p"], "p": []})
    jobs = bench.runtime.jobs
    way = [("checkout", _S.CHECKED_OUT), ("upload", _S.UPLOADED), ("submit", _S.SUBMITTED)]
    for event, target in [*way, ("end", _S.DOWNLOADED), ("finalize", _S.COMPLETED)]:
        jobs.transition(jobs.get("p"), event, target, by="test")
    for event, target in [*way[:1], ("fail", _S.REMOTE_ERROR)]:
        jobs.transition(jobs.get("a"), event, target, by="test")
    bench.forward(100)
    sweep(bench.runtime)
    assert bench.states(flow)["b"] in {"R", "CE"}
    assert jobs.flows.get(flow).state is FlowState.RUNNING
