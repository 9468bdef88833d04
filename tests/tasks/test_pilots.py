"""Jobs of a batch worker: through the pool, with pilots as real processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

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
from jfcelery.tasks.pilots import pilot_places, tend
from jfcelery.tasks.pool import pool_of, requeue
from jfcelery.tasks.sweep import sweep
from tests.support.bench import alive
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.jobs import is_imported
from tests.support.launching import has_ended
from tests.support.pooled import (
    HELD,
    PATIENCE,
    MakeBatchBench,
    add,
    docs,
    go_on_until,
    held,
    job,
    lines,
    pids,
    pilots,
)
from tests.support.waiting import wait_until
from tests.support.warm import ROOT

#: A launcher that starts its first job on a node which hangs until there is a file "go".
LATE = """
mkdir @/first 2>/dev/null || exec "$@"
setsid env -u JFC_PILOT bash -c 'echo $$ >>@/late
until [ -e @/go ]; do sleep 0.05; done
exec "$@"' - "$@" </dev/null &
wait
"""


def test_pilots_run_the_jobs_of_a_pool(batch_bench: MakeBatchBench) -> None:
    """Every job runs once, in no more pilots than are useful, which end by themselves."""
    bench = batch_bench(worker={"max_jobs": 6}, parallel_jobs=3)
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


def test_a_job_with_a_configuration_of_its_own_starts_cold(
    batch_bench: MakeBatchBench, tmp_path: Path
) -> None:
    """That may put another Python into its path than the one that has imported jobflow."""
    jfc = tmp_path / "mine" / "jfc"
    jfc.parent.mkdir()
    command = f'exec {sys.executable} -m jfcelery.execution "$3"'
    jfc.write_text(f'#!/bin/bash\necho "$1 $2" >>"$0.ran"\n{command}\n')
    jfc.chmod(0o755)
    bench = batch_bench(worker={"execution_cmd": None, "max_jobs": 1})
    flow = Flow([Job(os.getppid)])
    own = {"export": {"PATH": f"{jfc.parent}:$PATH"}}
    submit_flow(flow, project=bench.project, exec_config=own)
    assert bench.run_until_rest(flow.uuid, rounds=2000) == {flow.job_uuids[0]: "C"}
    assert jfc.with_name("jfc.ran").read_text() == "execution run\n"


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


@pytest.mark.parametrize("whom", ["pilot", "undertaker too"])
def test_the_jobs_of_a_killed_pilot_run_again_and_never_twice_at_once(
    batch_bench: MakeBatchBench, whom: str
) -> None:
    """SIGKILL in mid-job: what it had is requeued as a new attempt once nothing of it lives.

    Its own undertaker sees to that, or else the last lines of its script.
    """
    bench = held(batch_bench, parallel_jobs=2)
    flow = add(bench, "a", "b", "c")
    go_on_until(bench, lambda: len(lines(bench, "begun")) >= 2 and pids(bench), "two jobs to run")
    killed = pids(bench)
    undertakers = [child for pid in killed for child in children(pid, "undertaker")]
    assert len(undertakers) == len(killed)
    for pid in killed if whom == "pilot" else undertakers + killed:
        os.kill(pid, signal.SIGKILL)
    again = ("a_1 2", "b_1 2")
    go_on_until(bench, lambda: {*again} & {*lines(bench, "begun")}, "a new attempt to begin")
    (bench.folder / "go").touch()
    assert set(bench.run_until_rest(flow).values()) == {"C"}
    assert lines(bench, "twice") == []
    assert max(Counter(lines(bench, "begun")).values()) == 1  # once for each attempt
    events = [doc.last.event for doc in docs(bench) if doc.last]
    assert "fail" not in events


def children(pid: int, word: str) -> list[int]:
    """Return the children of a process whose command lines hold a word."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in found if word in Path(f"/proc/{one}/cmdline").read_text()]


def test_a_job_that_a_launcher_starts_late_does_not_run(
    batch_bench: MakeBatchBench, tmp_path: Path
) -> None:
    """Its pilot is dead and its entry given back when the node, which hung, goes on with it."""
    late = tmp_path / "late.sh"
    late.write_text(LATE.replace("@/", f"{tmp_path}/"))
    slots = {"launcher": f"bash {late}"}
    bench = batch_bench(worker={"max_jobs": 1, "slots": slots}, max_wait=None)
    flow = add(bench, "a")
    go_on_until(bench, lambda: lines(bench, "late"), "the launcher to start")
    for pid in pids(bench):
        os.kill(pid, signal.SIGKILL)

    def polled() -> JobState:
        bench.beat(2)
        for message in bench.messages:
            if message.names == ["jfcelery.poll"]:
                bench.deliver(message)
        bench.messages.clear()
        return job(bench, "a").state

    wait_until(lambda: polled() is JobState.READY, "the job to be given back")
    (bench.folder / "go").touch()
    (hung,) = map(int, lines(bench, "late"))
    wait_until(lambda: has_ended(hung), "the launcher to end")
    assert bench.starts() == []
    assert bench.run_until_rest(flow) == {"a": "C"}
    assert bench.starts() == ["a_1 2"]


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


def test_a_pilot_takes_the_job_of_the_highest_priority(batch_bench: MakeBatchBench) -> None:
    """Of those that wait when it has room, whichever came first."""
    bench = batch_bench(worker={"execution_cmd": f"{HELD} {{}}", "max_jobs": 1}, max_wait=None)
    flows = {"first": add(bench, "first")}
    go_on_until(bench, lambda: len(lines(bench, "begun")) == 1, "the first job to begin")
    for name, priority in (("low", -3), ("middle", 0), ("high", 7)):
        flow = flow_of({name: []}, payload=QUICK_JOB, priority=priority)
        add_flow(bench.runtime.queue, flow, Placement(worker="here"))
        flows[name] = flow.uuid
    waiting = bench.folder / "pool" / "pool"
    go_on_until(bench, lambda: len(list(waiting.iterdir())) == 3, "the others to wait")
    (bench.folder / "go").touch()
    for name, uuid in flows.items():
        assert bench.run_until_rest(uuid) == {name: "C"}
    begun = [line.partition("_")[0] for line in lines(bench, "begun")]
    assert begun == ["first", "high", "middle", "low"]


def test_of_jobs_added_at_once_the_first_goes_first(batch_bench: MakeBatchBench) -> None:
    """Their time is the same, so that their numbers decide; with and without a limit."""
    bench = batch_bench()
    flow = add(bench, *(f"job{number}" for number in range(12)))
    worker = bench.project.get_worker("here")
    found = sorted(bench.runtime.jobs.find({"flow": flow}), key=lambda doc: int(doc.db_id))
    hour = {"resources": {"time": "01:00:00"}}
    limited = [doc.with_fields(hour) if n % 2 else doc for n, doc in enumerate(found)]
    orders = [pool_of(worker, doc).order for doc in limited]
    assert orders == sorted(orders)
    assert len({order.partition(".")[0] for order in orders}) == len(found)
    assert [limit_of(f"{order}-jfc-a") for order in orders[:2]] == [None, 3600]
