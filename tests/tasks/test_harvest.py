"""Many ended jobs of one host are taken in together; each keeps its lease, commits and troubles."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import (
    ConnectionLostError,
    JobStoreUnavailableError,
    OutputInvalidError,
    TransferError,
)
from jfcelery.execution.stores import insert_documents
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.folders import RunFolder
from jfcelery.states import JobState
from jfcelery.tasks import harvest
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.finalize import completed
from jfcelery.tasks.poll import poll_host
from jfcelery.tasks.sweep import sweep
from tests.support.bench import Bench, Message
from tests.support.entries import QUICK_JOB, flow_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jfcelery.scheduler_io.hosts.simulated import SimulatedHost
    from tests.tasks.conftest import MakeBench

NAMES = "abcdef"
CROWD: dict[str, Sequence[str]] = {name: [] for name in NAMES}


@pytest.fixture
def bench(far_bench: Bench) -> Bench:
    """The runner of a project with one remote worker, driven by hand."""
    return far_bench


def ended(bench: Bench, edges: Mapping[str, Sequence[str]] = CROWD) -> tuple[str, Message]:
    """Bring jobs to their end on the worker; return their flow, and the message that follows."""
    flow = flow_of(edges, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    checkout(bench.runtime)
    (bundle,) = bench.messages
    bench.deliver(bundle)
    bench.messages.clear()
    worker = bench.project.get_worker("here")
    docs = list(bench.runtime.jobs.find({"state": JobState.SUBMITTED.value}))

    def all_left() -> bool:
        ends = (RunFolder.of(worker.work_dir, doc.uuid, 1) / RunFolder.end(1) for doc in docs)
        with bench.runtime.hosts.lease("here") as host:
            return all(host.read_text(end) for end in ends)

    wait_until(all_left, "the jobs to end")
    poll_host(bench.runtime, worker.host_key)
    (message,) = (one for one in bench.messages if one.names == ["jfcelery.harvest"])
    bench.messages.clear()
    return flow.uuid, message


def events(bench: Bench, name: str) -> list[str]:
    """Return what happened to a job."""
    history = bench.runtime.jobs.history.of(bench.runtime.jobs.get(name))
    return [change.event for change in history if change.event != "run"]


def test_many_jobs_take_one_round_trip(
    bench: Bench, host: SimulatedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stream brings all files; all jobs are COMPLETED, with their outputs, one checkout asked.

    In the history each job goes through the same states as alone.
    """
    flow, message = ended(bench)
    assert message.label.startswith("6 jobs db=")
    host.log.clear()
    store = bench.runtime.jobstore(None)
    kind, written = type(store.docs_store), list[int]()
    update = kind.update

    def counted(self: Any, docs: Any, *args: Any, **options: Any) -> None:
        written.append(len(docs))
        update(self, docs, *args, **options)

    monkeypatch.setattr(kind, "update", counted)
    bench.deliver(message)
    assert written == [6]
    assert [operation for operation, _ in host.log] == ["fetch_all"]
    assert bench.states(flow) == dict.fromkeys(NAMES, "C")
    assert bench.messages == [Message(["jfcelery.checkout"], ())]
    expected = ["insert", "checkout", "upload", "submit", "end", "download", "finalize"]
    assert events(bench, "f") == expected
    assert {doc["uuid"] for doc in store.query({}, ["uuid"])} == set(NAMES)
    for doc in bench.runtime.jobs.find({}):
        assert (doc.release, doc.lock_id, doc.attempt) == (False, None, 1)


def test_those_of_this_machine_go_together_too(make_bench: MakeBench) -> None:
    """Their files need not be brought; children whose parents ended together are released."""
    bench = make_bench(worker={"max_jobs": 8})
    flow, message = ended(bench, {**CROWD, "z": list(NAMES)})
    bench.deliver(message)
    assert bench.states(flow) == dict.fromkeys(NAMES, "C") | {"z": "R"}
    assert bench.run_until_rest(flow) == dict.fromkeys(f"{NAMES}z", "C")
    assert len(bench.starts()) == 7


def test_a_harvest_five_times_is_a_harvest_once(bench: Bench) -> None:
    """Whoever comes later finds each job further along."""
    flow, message = ended(bench)
    for _ in range(5):
        bench.deliver(message)
    assert bench.states(flow) == dict.fromkeys(NAMES, "C")
    assert events(bench, "a").count("finalize") == 1


def test_what_is_not_ordinary_is_taken_in_alone(bench: Bench) -> None:
    """A job that left nothing, or nonsense, ends as it would have ended alone; others complete."""
    flow, message = ended(bench)
    work_dir = bench.project.get_worker("here").work_dir
    with bench.runtime.hosts.lease("here") as host:
        a, b, c = (RunFolder.of(work_dir, name, 1) for name in "abc")
        host.run(f"rm '{a / RunFolder.OUTPUT}'; echo x >'{b / RunFolder.STORE_DATA}'; rm -r '{c}'")
    bench.deliver(message)
    expected = dict.fromkeys("abc", "RERR") | dict.fromkeys("def", "C")
    assert bench.states(flow) == expected
    assert "is not there" in (bench.runtime.jobs.get("c").remote.error or "")
    assert "cannot be read" in (bench.runtime.jobs.get("b").remote.error or "")


def test_documents_that_the_store_refuses_keep_no_other_job(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If they are refused together, each job tries alone, and only the one concerned fails."""
    flow, message = ended(bench)

    def refusing(store: Any, documents: Any) -> None:
        if any(one["uuid"] == "b" for one in documents.outputs):
            raise OutputInvalidError("too large")
        insert_documents(store, documents)

    monkeypatch.setattr(harvest, "insert_documents", refusing)
    monkeypatch.setattr("jfcelery.tasks.finalize.insert_documents", refusing)
    bench.deliver(message)
    assert bench.states(flow) == dict.fromkeys("acdef", "C") | {"b": "RERR"}
    assert "too large" in (bench.runtime.jobs.get("b").remote.error or "")


def test_a_store_that_is_away_makes_the_jobs_wait(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They keep their state, are charged nothing, and complete once it is back."""
    flow, message = ended(bench)

    def away(*_: Any) -> None:
        raise JobStoreUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(harvest, "insert_documents", away)
        patch.setattr("jfcelery.tasks.finalize.insert_documents", away)
        bench.deliver(message)
    assert bench.states(flow) == dict.fromkeys(NAMES, "D")
    assert all(doc.remote.step_attempts == 0 for doc in bench.runtime.jobs.find({}))
    assert bench.run_until_rest(flow) == dict.fromkeys(NAMES, "C")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_link_that_breaks_pauses_the_host_once(
    bench: Bench, host: SimulatedHost, when: Any
) -> None:
    """The jobs keep their state, and go on when it answers again."""
    flow, message = ended(bench)
    host.fail("fetch_all", ConnectionLostError("cable"), when=when)
    bench.deliver(message)
    assert bench.states(flow) == dict.fromkeys(NAMES, "RF")
    status = bench.runtime.host_records.get(bench.project.get_worker("here").host_key)
    assert (status.open, status.failures) == (True, 1)
    assert bench.run_until_rest(flow) == dict.fromkeys(NAMES, "C")
    assert len(bench.starts()) == len(NAMES)


def test_a_damaged_stream_is_no_jobs_fault(bench: Bench, host: SimulatedHost) -> None:
    """Each is fetched alone, at once."""
    flow, message = ended(bench)
    host.fail("fetch_all", TransferError("damaged"))
    bench.deliver(message)
    assert {one.names[0] for one in bench.messages} == {"jfcelery.download"}
    assert all(doc.remote.step_attempts == 0 for doc in bench.runtime.jobs.find({}))
    bench.drain()
    assert bench.states(flow) == dict.fromkeys(NAMES, "C")


def test_jobs_that_moved_meanwhile_are_left_alone(bench: Bench) -> None:
    """Rerun, in other hands, waiting or deleted: a harvest takes only what is its turn."""
    flow, message = ended(bench)
    jobs = bench.runtime.jobs
    jobs.update(jobs.get("a"), {"epoch": 70})
    jobs.acquire(jobs.get("b"), "somebody", timedelta(hours=1))
    jobs.update(jobs.get("c"), {"retry_at": jobs.now() + timedelta(hours=1)})
    bench.runtime.queue.jobs.delete_one({"_id": jobs.get("d").id})
    bench.deliver(message)
    assert bench.states(flow) == dict.fromkeys("abc", "RF") | dict.fromkeys("ef", "C")


def test_a_lease_that_was_renewed_meanwhile_is_still_ours(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit of all finds another version of one job, looks at the lease, and writes it."""
    flow, message = ended(bench)

    def slowly(*args: Any) -> Any:
        jobs = bench.runtime.jobs
        jobs.renew(jobs.get("c"), bench.runtime.lease_term)
        stolen = jobs.get("d")
        jobs.update(stolen, {"fence": stolen.fence + 1})
        monkeypatch.undo()
        return completed(*args)

    monkeypatch.setattr(harvest, "completed", slowly)
    bench.deliver(message)
    assert bench.states(flow) == dict.fromkeys("abcef", "C") | {"d": "D"}


class _DeathError(BaseException):
    """The process dies here."""


@pytest.mark.parametrize(
    "place, after",
    [
        ("take_all", 0),
        ("commit_all", 0),
        ("insert_documents", 0),
        ("commit_all", 1),
        ("release_all", 0),
        ("send_checkout", 0),
    ],
)
def test_a_harvest_that_dies_costs_nothing(bench: Bench, place: str, after: int) -> None:
    """Wherever it dies, the jobs' leases end, and the single steps find what it left behind."""
    flow, message = ended(bench)
    real: Callable[..., Any] = getattr(harvest, place)
    calls: list[None] = []

    def dying(*args: Any, **options: Any) -> Any:
        calls.append(None)
        if len(calls) > after:
            real(*args, **options)  # what it does is done, and nobody knows
            raise _DeathError
        return real(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harvest, place, dying)
        with pytest.raises(_DeathError):
            bench.deliver(message)
    bench.messages.clear()
    bench.forward(600)
    sweep(bench.runtime)
    assert bench.run_until_rest(flow) == dict.fromkeys(NAMES, "C")
    assert all(events(bench, name).count("finalize") == 1 for name in NAMES)
    assert not any(doc.release for doc in bench.runtime.jobs.find({}))
