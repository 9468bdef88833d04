"""What a cluster sends back is data: whatever stands in it, nothing of it is run or imported."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.controller import JobController
from jfcelery.execution.outcome import Outcome
from jfcelery.flows.entries import FlowEntries
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.folders import RunFolder
from tests.support.calling import Jfc
from tests.support.entries import QUICK_JOB, entry, flow_of
from tests.support.planted import planted_module

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bench import Bench
    from tests.tasks.conftest import MakeBench

NOW = datetime(2026, 1, 2, tzinfo=UTC)
#: A job's command: leaves what the test has put there for it.
LEAVE = """#!/bin/bash
key=${1##*/}
cp "$QUICK/left/$key"/* "$1"
"""


@dataclass
class Cluster:
    """A cluster that sends what it likes.

    Args:
        bench: A runner with jobs there.
    """

    bench: Bench

    def sends(
        self,
        uuid: str,
        output: Any = 1,
        *,
        documents: list[dict[str, Any]] | None = None,
        **outcome: Any,
    ) -> None:
        """Say what a job leaves."""
        folder = self.bench.folder / "left" / f"{uuid}_1"
        folder.mkdir(parents=True)
        returned = Outcome(uuid=uuid, index=1, attempt=1, start_time=NOW, end_time=NOW, **outcome)
        (folder / RunFolder.OUTPUT).write_text(returned.model_dump_json())
        given = [{"uuid": uuid, "index": 1, "output": output}] if documents is None else documents
        (folder / RunFolder.STORE_DATA).write_text(json.dumps(given))

    def run(self, flow: FlowEntries) -> dict[str, str]:
        """Run a flow; return the short states of its jobs."""
        add_flow(self.bench.runtime.queue, flow, Placement(worker="here"))
        return self.bench.run_until_rest(flow.uuid)

    def outputs(self) -> dict[str, Any]:
        """Return what is in the JobStore, by uuid."""
        store = self.bench.runtime.jobstore(None)
        return {doc["uuid"]: doc["output"] for doc in store.query({})}


@pytest.fixture(params=["here", "far"])
def cluster(
    request: pytest.FixtureRequest, make_bench: MakeBench, tmp_path: Path, host: object
) -> Cluster:
    """One whose jobs are this machine's, or another's."""
    del host
    script = tmp_path / "leave.sh"
    script.write_text(LEAVE)
    script.chmod(0o755)
    remote = {"type": "remote", "host": "far.example.org"} if request.param == "far" else {}
    return Cluster(make_bench(worker={"execution_cmd": f"{script} {{}}", **remote}))


def test_no_class_that_a_result_names_is_imported(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In outputs, stored data, new jobs, their resources and settings, and when they are shown."""
    name, canary = planted_module(tmp_path, monkeypatch)
    evil: dict[str, Any] = {"@module": name, "@class": "Evil", "@callable": "evil", "x": 1}
    payload = QUICK_JOB | {"function": evil, "function_args": [evil], "@module": name}
    made = {
        "plain": entry("plain", ["maker"], payload=payload, metadata={"m": evil}),
        "resources": entry("resources", payload=payload, resources=evil | {"@class": "QResources"}),
        "settings": entry("settings", payload=payload, exec_config=evil),
    }
    added = FlowEntries(uuid="added", name="x", metadata={}, jobs=list(made.values()), leaves=[])
    reference: dict[str, Any] = {"@module": "jobflow.core.reference", "@class": "OutputReference"}
    reference |= {"uuid": "plain", "attributes": [], "output_schema": None}
    output = [evil, reference]
    cluster.sends("maker", output, stored_data={"s": evil}, addition=added)
    for uuid in made:
        cluster.sends(uuid, evil)
    states = cluster.run(flow_of({"maker": []}, payload=QUICK_JOB))
    assert states == {"maker": "C", "plain": "C", "resources": "RERR", "settings": "RERR"}
    assert cluster.outputs() == {"maker": output, "plain": evil}

    controller = JobController(cluster.bench.project)
    assert controller.get_job_output("maker") == [evil, evil]
    assert controller.get_jobs_info(job_ids=[("maker", 1)])[0].stored_data == {"s": evil}
    jfc = Jfc(cluster.bench.project.name)
    for words in ("job output 1", "job info 1 -vv", "job info 2 -vv", "job list", "flow info 1"):
        assert name not in jfc(*words.split(), "--json").stderr
    assert name not in sys.modules
    assert not canary.exists()


@pytest.mark.parametrize(
    "other",
    [
        {"uuid": "victim", "index": 1, "output": "spoilt"},
        {"uuid": "victim", "index": 2, "output": "spoilt"},
        {"uuid": {"$ne": ""}, "index": 1, "output": "spoilt"},
        {"output": "spoilt"},
    ],
)
def test_a_job_cannot_replace_the_output_of_another(
    cluster: Cluster, other: dict[str, Any]
) -> None:
    """A result with a document that is not the job's own is refused, all of it."""
    cluster.sends("victim", "sound")
    cluster.sends("thief", documents=[{"uuid": "thief", "index": 1, "output": 1}, other])
    assert cluster.run(flow_of({"victim": []}, payload=QUICK_JOB)) == {"victim": "C"}
    assert cluster.run(flow_of({"thief": []}, payload=QUICK_JOB)) == {"thief": "RERR"}
    assert cluster.outputs() == {"victim": "sound"}
    doc = cluster.bench.runtime.jobs.get("thief")
    assert doc.error_class == "OutputInvalidError"
    assert "another job" in (doc.remote.error or "")


def test_a_job_that_has_the_store_may_write_to_it(cluster: Cluster) -> None:
    """As with jobflow alone, where ``expose_store`` asks for it."""
    extra = [{"uuid": uuid, "index": 1, "output": uuid} for uuid in ("writer", "extra")]
    cluster.sends("writer", documents=extra)
    config = {"resolve_references": False, "expose_store": True}
    payload = QUICK_JOB | {"config": config | {"on_missing_references": "error"}}
    assert cluster.run(flow_of({"writer": []}, payload=payload)) == {"writer": "C"}
    assert cluster.outputs() == {"writer": "writer", "extra": "extra"}
