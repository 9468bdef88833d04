"""A failed step is charged to whom it belongs, and tried again when that may help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pymongo.errors import AutoReconnect, ServerSelectionTimeoutError

from jfcelery.errors import ConnectionLostError, DiskFullError, TransferError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.scheduler_io.hosts.this_machine import ThisMachine
from jfcelery.states import JobState
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.sweep import sweep
from tests.support.bench import Bench, quick_worker
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.scheduler_io.hosts.parcels import Publication
    from tests.support.projects import ProjectFactory

WHERE = {
    "upload": ("jfcelery.tasks.upload.collect_for_job", JobState.CHECKED_OUT),
    "finalize": ("jfcelery.tasks.finalize.insert_documents", JobState.DOWNLOADED),
}


def add(bench: Bench, *names: str) -> str:
    """Add quick jobs, and return their flow."""
    flow = flow_of({name: [] for name in names}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    return flow.uuid


@pytest.mark.parametrize("error", [AutoReconnect("reset"), ServerSelectionTimeoutError("none")])
@pytest.mark.parametrize("step", ["upload", "finalize"])
def test_an_outage_of_the_jobstore_costs_time_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    """However long it lasts the jobs keep their state and their attempts, and say why they wait."""
    flow = add(bench, "a")
    place, state = WHERE[step]
    with monkeypatch.context() as patch:

        def broken(*_args: object) -> None:
            raise error

        patch.setattr(place, broken)
        for _ in range(100):
            bench.drain()
            bench.beat()
            doc = bench.runtime.jobs.get("a")
            if (doc.remote.waiting or "").startswith("The JobStore does not answer"):
                break
        for _ in range(5):
            bench.drain()
            bench.beat(100)
        doc = bench.runtime.jobs.get("a")
        assert (doc.state, doc.remote.step_attempts, doc.lock_id) == (state, 0, None)
        assert str(error) in (doc.remote.waiting or "")
    assert bench.run_until_rest(flow) == {"a": "C"}
    assert bench.runtime.jobs.get("a").remote.waiting is None


def test_jobs_go_on_with_their_host_however_often_it_failed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait of lost messages, which doubles, is not that of jobs whose host was in trouble."""
    add(bench, "a")
    with monkeypatch.context() as patch:

        def broken(*_args: object, **_options: object) -> None:
            raise ConnectionLostError("cable")

        patch.setattr(ThisMachine, "publish", broken)
        checkout(bench.runtime)
        doc = bench.runtime.jobs.get("a")
        bench.runtime.jobs.update(doc, {"swept": 8, "swept_at": bench.runtime.jobs.now()})
        bench.drain()
    bench.runtime.host_records.answered("local")
    sweep(bench.runtime)
    bench.drain()
    assert bench.runtime.jobs.get("a").state is not JobState.CHECKED_OUT


def test_a_trouble_ends_what_a_limit_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is tried again after an error does not count as waiting for a place."""
    add(bench, "a")
    checkout(bench.runtime)
    doc = bench.runtime.jobs.get("a")
    bench.runtime.jobs.update(doc, {"remote.waiting": "a limit"})

    def broken(*_args: object, **_options: object) -> None:
        raise TransferError("half a file")

    monkeypatch.setattr(ThisMachine, "publish", broken)
    bench.drain()
    doc = bench.runtime.jobs.get("a")
    assert (doc.remote.error, doc.remote.waiting) == ("half a file", None)


def test_a_full_disk_stops_only_workers_whose_folder_is_there(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others of the host go on; its own jobs say why they wait, and go on once there is room."""
    full = tmp_path / "full"
    workers = {"here": quick_worker(tmp_path)}
    workers["tiny"] = {**workers["here"], "work_dir": str(full)}
    bench = Bench(make_project(workers=workers), tmp_path, monkeypatch)
    flow = add(bench, "a")
    other = flow_of({"b": []}, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, other, Placement(worker="tiny"))
    publish = ThisMachine.publish
    with monkeypatch.context() as patch:

        def published(host: ThisMachine, publication: Publication) -> Any:
            if str(publication.folder).startswith(str(full)):
                raise DiskFullError("local: the disk or quota is full")
            return publish(host, publication)

        patch.setattr(ThisMachine, "publish", published)
        assert bench.run_until_rest(flow) == {"a": "C"}
        waiting = bench.runtime.jobs.get("b")
        assert waiting.state is JobState.CHECKED_OUT
        assert waiting.remote.waiting == "local: the disk or quota is full"
        assert bench.runtime.host_records.get("local").available
    assert bench.run_until_rest(other.uuid) == {"b": "C"}
    bench.runtime.close()
