"""How many pilots there are: as many as jobs need, never more than may be, and no useless ones."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from jfcelery.controller import JobController
from jfcelery.controller.reasons import reasons
from jfcelery.database.batches import Batches
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.states import BatchState, JobState
from jfcelery.tasks import pilot_queue
from jfcelery.tasks.pilots import finish, pilot_places, submit_needed
from jfcelery.tasks.sweep import sweep
from tests.support.bench import alive
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.pooled import (
    HELD,
    MakeBatchBench,
    add,
    docs,
    go_on_until,
    held,
    job,
    lines,
    pilots,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from jfcelery.database.batches import BatchDoc


def test_there_are_never_more_pilots_than_max_jobs(batch_bench: MakeBatchBench) -> None:
    """Several threads that all see the need stay below the limit together."""
    bench = batch_bench(worker={"execution_cmd": f"{HELD} {{}}", "max_jobs": 2})
    add(bench, *"abcdef")
    go_on_until(
        bench, lambda: any(doc.state is JobState.BATCH_SUBMITTED for doc in docs(bench)), "a pool"
    )
    threads = [
        threading.Thread(target=submit_needed, args=(bench.runtime, "here")) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pilot_places(bench.runtime, "here").held()) <= 2
    assert len([doc for doc in pilots(bench) if doc.process_id]) <= 2


def test_a_pilot_has_one_place_from_its_submission_to_its_end(
    batch_bench: MakeBatchBench,
) -> None:
    """It is held, and given back, by the pilot's whole unique id."""
    bench = batch_bench(worker={"execution_cmd": f"{HELD} {{}}", "max_jobs": 2})
    add(bench, *"abcd")
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 2, "two pilots with a job each")
    first, second = pilots(bench)
    places = pilot_places(bench.runtime, "here")
    assert sorted(places.held()) == sorted([first.batch_uid, second.batch_uid])
    finish(bench.runtime, pilots(bench)[0], "seen to have ended")
    assert places.held() == [second.batch_uid]


def test_the_sweep_takes_the_places_of_ended_pilots_back(batch_bench: MakeBatchBench) -> None:
    """The poll died between a pilot's end and its place; one that lives keeps its own."""
    bench = batch_bench(worker={"execution_cmd": f"{HELD} {{}}", "max_jobs": 2})
    add(bench, "a", "b")
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 2, "two pilots with a job each")
    first, second = pilots(bench)
    places = pilot_places(bench.runtime, "here")
    Batches(bench.runtime.queue).update(first, {"state": BatchState.FINISHED.value})
    assert len(places.held()) == 2
    sweep(bench.runtime)
    assert places.held() == [second.batch_uid]


def test_a_job_that_does_not_fit_gets_a_pilot_while_others_run(
    batch_bench: MakeBatchBench, tmp_path: Path
) -> None:
    """The first pilot, which has room but too little time, goes on; one more is submitted."""
    which = f"if mkdir {tmp_path}/first; then left=600; else left=3600; fi"
    shortened = f"{which}\nexport SLURM_JOB_END_TIME=$(($(date +%s) + left))"
    own = {"execution_cmd": f"{HELD} {{}}", "pre_run": shortened}
    bench = batch_bench(worker=own, parallel_jobs=2, max_wait=None)
    add(bench, "a")
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 1, "the first job to begin")
    longer = flow_of({"b": []}, payload=QUICK_JOB, resources={"walltime": "00:30:00"})
    add_flow(bench.runtime.queue, longer, Placement(worker="here"))
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 2, "the longer job to begin")
    go_on_until(bench, lambda: bool(job(bench, "b").remote.batch_uid), "the poll to see where")
    first, second = pilots(bench)
    assert job(bench, "b").remote.batch_uid == second.batch_uid
    assert (first.state, first.is_draining) == (BatchState.RUNNING, False)
    (bench.folder / "go").touch()
    assert bench.run_until_rest(longer.uuid) == {"b": "C"}


def test_a_drained_pilot_ends_its_job_and_takes_no_more(batch_bench: MakeBatchBench) -> None:
    """Another one takes its place, and what waits."""
    own = {"execution_cmd": f"{HELD} {{}}", "max_jobs": 1}
    bench = batch_bench(worker=own, max_wait=None)
    flow = add(bench, "a", "b")
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 1, "a job to begin")
    (first,) = pilots(bench)
    assert JobController(bench.project).drain_batches(batch_uid=first.batch_uid) == 1
    go_on_until(bench, lambda: pilots(bench)[0].is_draining, "the pilot to drain")
    (bench.folder / "go").touch()
    go_on_until(bench, lambda: bench.states(flow) == {"a": "C", "b": "C"}, "both to complete")
    first = pilots(bench)[0]
    assert (first.state, first.begun) == (BatchState.FINISHED, 1)
    assert not first.failed
    assert JobController(bench.project).drain_batches() == 1
    go_on_until(bench, lambda: pilots(bench)[1].state is BatchState.FINISHED, "the other to end")
    assert sorted(bench.starts()) == ["a_1 1", "b_1 1"]


def test_no_pilot_comes_where_none_may_be(batch_bench: MakeBatchBench) -> None:
    """With `max_jobs: 0` jobs wait in the pool, before a maintenance for example; they say so."""
    bench = batch_bench(worker={"execution_cmd": f"{HELD} {{}}", "max_jobs": 1}, max_wait=None)
    flow = add(bench, "a", "b")
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 1, "a job to begin")
    worker = bench.project.get_worker("here")
    bench.project.workers["here"] = worker.model_copy(update={"max_jobs": 0})
    assert JobController(bench.project).drain_batches() == 1
    (bench.folder / "go").touch()
    go_on_until(bench, lambda: pilots(bench)[0].state is BatchState.FINISHED, "its end")
    for _ in range(3):
        bench.beat()
        bench.drain()
    assert sorted(bench.states(flow).values()) == ["BS", "C"]
    assert len(pilots(bench)) == 1
    (waiting,) = (doc for doc in docs(bench) if doc.state is JobState.BATCH_SUBMITTED)
    why = reasons(bench.project, bench.runtime.queue, waiting)
    assert why[0].text == "No pilots are submitted for worker here: `max_jobs: 0`."
    bench.project.workers["here"] = worker
    go_on_until(bench, lambda: set(bench.states(flow).values()) == {"C"}, "the other job to run")


def test_a_pilot_that_drains_makes_room_at_once(batch_bench: MakeBatchBench) -> None:
    """What waits need not wait for its end, as far as `max_jobs` allows."""
    own = {"execution_cmd": f"{HELD} {{}}", "max_jobs": 2}
    bench = batch_bench(worker=own, max_wait=None, parallel_jobs=2)
    flow = add(bench, "a")
    go_on_until(bench, lambda: lines(bench, "begun") == ["a_1 1"], "the first job to begin")
    assert JobController(bench.project).drain_batches() == 1
    go_on_until(bench, lambda: pilots(bench)[0].is_draining, "the pilot to drain")
    other = add(bench, "b")
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 2, "the other job to begin")
    assert [doc.state for doc in pilots(bench)] == [BatchState.RUNNING] * 2
    (bench.folder / "go").touch()
    go_on_until(
        bench, lambda: bench.states(flow) | bench.states(other) == {"a": "C", "b": "C"}, "all"
    )


def test_a_wish_that_cannot_be_written_holds_up_no_job(
    batch_bench: MakeBatchBench, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a full disk: ends of jobs are seen, and the pilot is told once it can be."""
    own = {"execution_cmd": f"{HELD} {{}}", "max_jobs": 1}
    bench = batch_bench(worker=own, max_wait=None)
    flow = add(bench, "a")
    go_on_until(bench, lambda: job(bench, "a").state is JobState.BATCH_RUNNING, "the job to run")
    wishes = bench.folder / "pool" / "kill"
    wishes.rmdir()
    wishes.touch()  # no folder
    assert JobController(bench.project).drain_batches() == 1
    (bench.folder / "go").touch()
    go_on_until(bench, lambda: bench.states(flow) == {"a": "C"}, "the job's end to be seen")
    assert "cannot be told to take no more jobs" in caplog.text
    wishes.unlink()
    wishes.mkdir()
    go_on_until(bench, lambda: pilots(bench)[0].state is BatchState.FINISHED, "the pilot to end")


def test_pilots_that_cannot_run_are_not_submitted_one_after_the_other(
    batch_bench: MakeBatchBench,
) -> None:
    """A pilot that ended without a job is followed by the next only after a while."""
    bench = batch_bench(worker={"pre_run": "exit 3"})
    add(bench, "a")

    def has_failed() -> bool:
        return any(doc.failed for doc in pilots(bench))

    go_on_until(bench, has_failed, "a pilot to fail")
    before = len(pilots(bench))
    for _ in range(3):
        submit_needed(bench.runtime, "here")
    assert len(pilots(bench)) == before
    assert pilots(bench)[0].why == "FAILED exit code 3 in pre_run"


def test_a_pilot_that_waits_does_not_hide_those_that_fail(batch_bench: MakeBatchBench) -> None:
    """While one stands in the queue, others that fail are not submitted one after the other."""
    bench = batch_bench(worker={"pre_run": "exit 3", "max_jobs": 9}, parallel_jobs=1)
    batches = Batches(bench.runtime.queue)
    failed = batches.insert("here")
    now = bench.runtime.queue.clock.now()
    ended = {"state": BatchState.FINISHED.value, "failed": True, "end_time": now}
    batches.update(failed, ended)
    batches.update(batches.insert("here"), {"process_id": "17"})
    add(bench, *"abcdef")
    bench.drain()
    go_on_until(bench, lambda: job(bench, "a").state is JobState.BATCH_SUBMITTED, "a pool")
    before = len(pilots(bench))
    submit_needed(bench.runtime, "here")
    assert len(pilots(bench)) == before


def test_a_pilot_that_was_given_up_while_it_was_submitted_is_cancelled(
    batch_bench: MakeBatchBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever submits may stand still until others have forgotten the pilot."""
    bench = held(batch_bench, max_wait=None)
    submit, submitted = pilot_queue.PilotQueue.submit, []

    def stalled(self: pilot_queue.PilotQueue, doc: BatchDoc) -> dict[str, Any]:
        assert Batches(bench.runtime.queue).drop(doc)
        submitted.append(submit(self, doc))
        return submitted[-1]

    with monkeypatch.context() as patch:
        patch.setattr(pilot_queue.PilotQueue, "submit", stalled)
        add(bench, "a")
        go_on_until(bench, lambda: submitted, "a pilot to be submitted")
    pid = int(submitted[0]["process_id"].partition("-")[0])
    go_on_until(bench, lambda: not alive(pid), "the pilot to be gone")
    assert submitted[0]["process_id"] not in {doc.process_id for doc in pilots(bench)}


def test_a_pilot_that_was_added_but_not_submitted_is_taken_on(batch_bench: MakeBatchBench) -> None:
    """A task died between the document and the queue job: the next one completes it."""
    bench = batch_bench()
    Batches(bench.runtime.queue).insert("here")
    flow = add(bench, "a")
    assert bench.run_until_rest(flow) == {"a": "C"}
    assert len(pilots(bench)) == 1
