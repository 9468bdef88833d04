"""Jobs of a batch worker: through the pool, with pilots as real processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from jobflow import Flow
from jobflow.core.job import Job

from jfcelery.controller import JobController
from jfcelery.controller.reasons import reasons
from jfcelery.database.batches import Batches
from jfcelery.execution.pilot.clock import began_at
from jfcelery.execution.pilot.handle import limit_of
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.folders import RunFolder
from jfcelery.states import BatchState, JobState
from jfcelery.submission import submit_flow
from jfcelery.tasks import pilot_queue
from jfcelery.tasks.pilots import finish, pilot_places, submit_needed, tend
from jfcelery.tasks.pool import requeue
from jfcelery.tasks.sweep import sweep
from tests.support.bench import alive
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.jobs import is_imported
from tests.support.warm import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jfcelery.database.batches import BatchDoc
    from jfcelery.database.documents import JobDoc
    from tests.support.bench import Bench
    from tests.tasks.conftest import MakeBench

#: Runs a job that waits for a file; see there.
HELD = Path(__file__).parents[1] / "support" / "held.sh"
#: Seconds in which real processes must have done what a test waits for.
PATIENCE = 120.0


class MakeBatchBench(Protocol):
    """Makes a bench whose worker is a batch worker; options of the worker and of its batch."""

    def __call__(self, *, worker: dict[str, Any] | None = None, **batch: Any) -> Bench:
        """Make one."""
        ...


@pytest.fixture
def batch_bench(make_bench: MakeBench, tmp_path: Path) -> Iterator[MakeBatchBench]:
    """A function that makes a bench with a batch worker; its pilots end with the test."""
    made: list[Bench] = []

    def make(*, worker: dict[str, Any] | None = None, **batch: Any) -> Bench:
        section = {
            "jobs_handle_dir": str(tmp_path / "pool"),
            "work_dir": str(tmp_path / "pilots"),
            "max_wait": 0.5,
            "sleep_time": 0.05,
            **batch,
        }
        made.append(make_bench(worker={"batch": section, **(worker or {})}))
        return made[-1]

    yield make
    (tmp_path / "go").touch()
    for bench in made:
        for pid in pids(bench):
            if alive(pid):
                os.kill(pid, signal.SIGTERM)


def add(bench: Bench, *names: str) -> str:
    """Add a flow of independent jobs, and return its uuid."""
    flow = flow_of({name: [] for name in names}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    return flow.uuid


def pilots(bench: Bench) -> list[BatchDoc]:
    """Return all pilots of a bench, the oldest first."""
    return list(Batches(bench.runtime.queue).find({}, sort=[("created_on", 1)]))


def pids(bench: Bench) -> list[int]:
    """Return the processes of the pilots that have said which they are."""
    folder = bench.folder / "pool" / "pilots"
    texts = [path.read_text() for path in folder.glob("jfp-*")]
    return [int(text.partition("pid=")[2].split()[0]) for text in texts]


def go_on_until(bench: Bench, holds: Callable[[], object], what: str) -> None:
    """Beat and deliver until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}: {pilots(bench)}"
        bench.drain()
        time.sleep(0.05)
        bench.beat(2)


def lines(bench: Bench, name: str) -> list[str]:
    """Return the lines that jobs have left in a file."""
    path = bench.folder / name
    return path.read_text().splitlines() if path.exists() else []


def job(bench: Bench, name: str) -> JobDoc:
    """Return a job."""
    return bench.runtime.jobs.get(name, 1)


def held(batch_bench: MakeBatchBench, **batch: Any) -> Bench:
    """Return a bench whose jobs wait for a file."""
    return batch_bench(worker={"execution_cmd": f"{HELD} {{}}"}, **batch)


def test_pilots_run_the_jobs_of_a_pool(batch_bench: MakeBatchBench) -> None:
    """Every job runs once, in no more pilots than are useful, which end by themselves."""
    bench = batch_bench(parallel_jobs=3)
    flow = add(bench, *"abcdef")
    states = bench.run_until_rest(flow)
    assert set(states.values()) == {"C"}
    assert sorted(bench.starts()) == [f"{name}_1 1" for name in "abcdef"]
    assert len(pilots(bench)) <= 2

    def all_ended() -> bool:
        return {doc.state for doc in pilots(bench)} == {BatchState.FINISHED}

    go_on_until(bench, all_ended, "pilots to end")
    assert sum(doc.begun for doc in pilots(bench)) == 6
    assert pilot_places(bench.runtime, "here").held() == []


def test_the_jobs_of_a_pilot_start_warm(batch_bench: MakeBatchBench) -> None:
    """One after the other they are forked from the same process, which has imported jobflow."""
    bench = batch_bench(worker={"execution_cmd": None, "max_jobs": 1}, max_wait=5)
    flow = Flow([Job(os.getppid), Job(os.getppid)])
    submit_flow(flow, project=bench.project)
    assert set(bench.run_until_rest(flow.uuid, rounds=2000).values()) == {"C"}
    controller = JobController.from_project(bench.project)
    first, second = (controller.get_job_output(uuid) for uuid in flow.job_uuids)
    assert first == second


def test_what_is_preloaded_is_there_when_a_job_of_a_pilot_starts(
    batch_bench: MakeBatchBench,
) -> None:
    """The modules that the project, or the worker, names; no others of the kind."""
    own = {"execution_cmd": None, "preload": ["wave"], "pre_run": f"export PYTHONPATH={ROOT}"}
    bench = batch_bench(worker={**own, "max_jobs": 1}, max_wait=5)
    flow = Flow([is_imported("wave"), is_imported("aifc")])
    submit_flow(flow, project=bench.project)
    assert set(bench.run_until_rest(flow.uuid, rounds=2000).values()) == {"C"}
    controller = JobController.from_project(bench.project)
    assert [controller.get_job_output(uuid) for uuid in flow.job_uuids] == [True, False]


def test_a_job_in_a_pilot_is_batch_running_and_names_it(batch_bench: MakeBatchBench) -> None:
    """The state follows the pool, and the pilot is found by the job."""
    bench = held(batch_bench)
    flow = add(bench, "a")
    go_on_until(bench, lambda: job(bench, "a").state is JobState.BATCH_RUNNING, "the job to run")
    (pilot,) = pilots(bench)
    assert job(bench, "a").remote.batch_uid == pilot.batch_uid
    controller = JobController(bench.project)
    assert controller.count_batches(job_ids=("a", 1)) == 1
    why = reasons(bench.project, bench.runtime.queue, job(bench, "a"))
    assert [reason.command for reason in why] == [f"jfc batch info {pilot.batch_uid}"]
    began = began_at(Path(pilot.run_dir or "") / RunFolder.status(1))
    assert began is not None
    assert abs(time.time() - began) < PATIENCE
    assert controller.delete_batches() == 0  # it has not ended
    (bench.folder / "go").touch()
    assert bench.run_until_rest(flow) == {"a": "C"}


def test_the_jobs_of_a_killed_pilot_run_again_and_never_twice_at_once(
    batch_bench: MakeBatchBench,
) -> None:
    """SIGKILL in mid-job: what it had is requeued as a new attempt once nothing of it lives."""
    bench = held(batch_bench, parallel_jobs=2)
    flow = add(bench, "a", "b", "c")
    go_on_until(bench, lambda: len(lines(bench, "begun")) >= 2 and pids(bench), "two jobs to run")
    killed = pids(bench)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    go_on_until(bench, lambda: any(doc.attempt > 1 for doc in docs(bench)), "a new attempt")
    (bench.folder / "go").touch()
    assert set(bench.run_until_rest(flow).values()) == {"C"}
    assert lines(bench, "twice") == []
    assert max(Counter(lines(bench, "begun")).values()) == 1  # once for each attempt
    events = [doc.last.event for doc in docs(bench) if doc.last]
    assert "fail" not in events


def docs(bench: Bench) -> list[JobDoc]:
    """Return all jobs."""
    return list(bench.runtime.jobs.find({}))


def test_a_killed_pilot_leaves_no_folder_in_tmp(batch_bench: MakeBatchBench) -> None:
    """Those of its warm processes bear its name, so that its script finds them."""
    bench = held(batch_bench)
    add(bench, "a")
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 1 and pids(bench), "the job to run")
    (pilot,) = pilots(bench)
    pattern = f"jfcw-{pilot.name}-*"
    assert list(Path("/tmp").glob(pattern))
    os.kill(pids(bench)[0], signal.SIGKILL)

    def is_over() -> bool:
        return any(doc.state is BatchState.FINISHED for doc in pilots(bench))

    go_on_until(bench, is_over, "the pilot's end to be seen")
    assert not list(Path("/tmp").glob(pattern))


def test_a_job_under_which_pilots_end_again_and_again_is_parked(
    batch_bench: MakeBatchBench,
) -> None:
    """After the third pilot it is PAUSED, with the reason."""
    bench = held(batch_bench)
    add(bench, "a")

    def kill_pilots() -> bool:
        attempts = len(lines(bench, "begun"))
        for pid in pids(bench) if attempts == job(bench, "a").attempt else ():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        return job(bench, "a").state is JobState.PAUSED

    go_on_until(bench, kill_pilots, "the job to be parked")
    assert job(bench, "a").attempt == 3
    last = job(bench, "a").last
    assert last is not None
    assert "3 pilots in a row ended under it" in last.why


def test_a_job_that_was_not_begun_is_never_parked(batch_bench: MakeBatchBench) -> None:
    """However many pilots gave it back: it cannot be the cause of their end."""
    bench = held(batch_bench)
    add(bench, "a")
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 1, "the job to begin")
    doc = bench.runtime.jobs.update(job(bench, "a"), {"pilots_lost": 2})
    doc = requeue(bench.runtime, doc, "given back", has_begun=False)
    assert (doc.state, doc.pilots_lost) == (JobState.READY, 2)


def test_a_stopped_job_is_killed_alone(batch_bench: MakeBatchBench) -> None:
    """The pilot ends the one job, confirmed, and the other goes on; what waits leaves the pool."""
    bench = batch_bench(worker={"execution_cmd": f"{HELD} {{}}", "max_jobs": 1}, parallel_jobs=2)
    flow = add(bench, "a", "b", "c")
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 2, "two jobs to run")
    running = sorted(line.partition("_")[0] for line in lines(bench, "begun"))
    (waiting,) = set("abc") - set(running)
    controller = JobController(bench.project)
    controller.stop_job(job_id=running[0])
    controller.stop_job(job_id=waiting)
    stopped = (running[0], waiting)
    go_on_until(bench, lambda: not any(job(bench, one).cancel for one in stopped), "both to go")
    assert not list((bench.folder / "pool" / "pool").iterdir())
    (bench.folder / "go").touch()
    states = bench.run_until_rest(flow)
    assert states == {running[0]: "CA", running[1]: "C", waiting: "CA"}
    assert len(lines(bench, "begun")) == 2


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


def test_a_job_that_no_pilot_could_end_is_refused(batch_bench: MakeBatchBench) -> None:
    """It asks for more time than its worker's pilots have; one that asks for less says how much."""
    bench = batch_bench(worker={"resources": {"walltime": "04:00:00"}})
    add(bench, "a", "b")
    jobs = bench.runtime.jobs
    jobs.update(job(bench, "a"), {"resources": {"walltime": "05:00:00"}})
    jobs.update(job(bench, "b"), {"resources": {"walltime": "03:00:00"}})
    go_on_until(bench, lambda: job(bench, "a").state is JobState.REMOTE_ERROR, "the refusal")
    error = job(bench, "a").remote.error or ""
    assert "asks for 5:00:00, and pilots of worker here end after 4:00:00" in error
    go_on_until(bench, lambda: job(bench, "b").state is JobState.BATCH_SUBMITTED, "the other")
    assert limit_of(job(bench, "b").remote.process_id or "") == 3 * 3600


def test_a_job_that_fits_into_no_pilot_is_explained(batch_bench: MakeBatchBench) -> None:
    """The pilot, of which the site shortened the time, tells, and `job why` says so."""
    shortened = "export SLURM_JOB_END_TIME=$(($(date +%s) + 120))"
    bench = batch_bench(worker={"pre_run": shortened}, max_wait=None)
    add(bench, "a")
    bench.runtime.jobs.update(job(bench, "a"), {"resources": {"walltime": "00:04:00"}})

    def told() -> list[str]:
        found = reasons(bench.project, bench.runtime.queue, job(bench, "a"))
        return [reason.text for reason in found if "It asks for 0:04:00, and the" in reason.text]

    go_on_until(bench, told, "the reason")
    assert pilots(bench)[0].failed


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


def test_a_silent_pilot_is_cancelled_only_if_it_stays_so(
    batch_bench: MakeBatchBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the first look, as after a sleep of this machine; also one never heard of."""
    bench = held(batch_bench, max_wait=None)
    add(bench, "a")
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 1, "the job to begin")
    go_on_until(bench, lambda: pilots(bench)[0].state is BatchState.RUNNING, "the pilot to run")
    monkeypatch.setattr(pilot_queue.PilotQueue, "_heard", lambda _self, _host: {})
    batches, long = Batches(bench.runtime.queue), timedelta(hours=1)
    now = bench.runtime.queue.clock.now()
    batches.update(pilots(bench)[0], {"heard_on": None, "start_time": now - long})
    for _ in range(2):
        assert tend(bench.runtime, "here")
    doc = pilots(bench)[0]
    assert doc.silent_since is not None
    batches.update(doc, {"silent_since": now - long})
    assert not tend(bench.runtime, "here")
    assert "silent" in pilots(bench)[0].why


def test_a_job_in_a_pool_that_its_worker_lost_is_told_of(
    batch_bench: MakeBatchBench, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody looks at it any more: the sweep warns, and `job why` says what to do."""
    bench = held(batch_bench)
    add(bench, "a")
    go_on_until(bench, lambda: job(bench, "a").state is JobState.BATCH_RUNNING, "the job to run")
    sweep(bench.runtime)
    assert "'batch:'" not in caplog.text
    bench.project.workers["here"] = bench.project.get_worker("here").model_copy(
        update={"batch": None}
    )
    sweep(bench.runtime)
    assert "in the pool of worker here, which has no 'batch:' any more" in caplog.text
    found = reasons(bench.project, bench.runtime.queue, job(bench, "a"))
    assert "has no `batch:` any more" in found[0].text
    assert found[0].command.startswith("jfc job rerun")


def test_a_pilot_that_was_added_but_not_submitted_is_taken_on(batch_bench: MakeBatchBench) -> None:
    """A task died between the document and the queue job: the next one completes it."""
    bench = batch_bench()
    Batches(bench.runtime.queue).insert("here")
    flow = add(bench, "a")
    assert bench.run_until_rest(flow) == {"a": "C"}
    assert len(pilots(bench)) == 1
