"""``--json`` of the commands that do something: one object on stdout, nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.controller.info import FlowInfo, JobInfo
from jfcelery.database.documents import SCHEMA_VERSION
from jfcelery.states import JobState
from tests.support.calling import Jfc

if TYPE_CHECKING:
    from jfcelery.controller import JobController
    from tests.support.queued import MakeFlow

_S = JobState


def test_administration_says_what_it_did_to_what(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController, tmp_path: Path
) -> None:
    """Ended leases, indexes, the layout, what was removed: also where a question was asked."""
    flow = make_flow({"a": [], "b": []})
    for command in ("unlock", "unlock-flow"):
        flow.jobs.acquire(flow.doc("a"), "x", timedelta(minutes=5))
        assert jfc("admin", command, "--json", stdin="y\n").data == {"ended": [flow.ids["a"]]}
        assert jfc("admin", command, "-n", "no", "--json").data == {"ended": []}
    assert jfc("admin", "unlock-runner", "--json").data == {"ended": []}
    made = {"created": ["name_-1"], "collection": "flows"}
    assert jfc("admin", "index", "create", "name", "desc", "-c", "flows", "--json").data == made
    assert len(jfc("admin", "index", "rebuild", "--json").data["created"]) > 3
    upgraded = {"layout": SCHEMA_VERSION, "upgraded": False, "backup": None}
    assert jfc("admin", "upgrade", "--json").data == upgraded
    dump = tmp_path / "dump.json"
    dumped = jfc("job", "dump", "-v", "-n", "a", "-p", str(dump), "--json").data
    assert dumped == {"file": str(dump), "jobs": [flow.ids["a"]]}
    assert jfc("flow", "set", "store", flow.flow, "--json").data == {
        "flow_id": flow.flow,
        "store": None,
    }
    assert jfc("batch", "delete", "--json").data == {"deleted": 0}
    emptied = jfc("admin", "reset", "--json", stdin="y\n").data
    assert emptied == {"removed": {"flows": 1, "jobs": 2}, "outputs": False}
    assert controller.count_flows() == 0


def test_jobs_and_flows_have_the_documented_fields(jfc: Jfc, make_flow: MakeFlow) -> None:
    """The tables of the documentation are made from these models: each field is explained."""
    make_flow({"a": []}).bring("a", _S.FAILED)
    job, flow = set(JobInfo.model_fields), set(FlowInfo.model_fields) - {"jobs_info"}
    for field in (*JobInfo.model_fields.values(), *FlowInfo.model_fields.values()):
        assert field.description
    assert set(jfc("job", "list", "--json").data[0]) == job
    assert set(jfc("job", "info", "1", "-v", "--json").data) >= job | {"run_time"}
    assert set(jfc("flow", "list", "--json").data[0]) == flow | {"n_jobs", "n_errors"}
    shown = jfc("flow", "info", "1", "-j", "--json").data
    assert set(shown) == flow | {"n_jobs", "n_errors", "jobs"}
    assert set(shown["jobs"][0]) == job


def test_workers_are_named_with_their_host(jfc: Jfc, controller: JobController) -> None:
    """All workers of the host are held back, so all of them are named."""
    host = controller.project.get_worker("here").host_key
    assert jfc("worker", "pause", "here", "--json").data == {"host": host, "paused": ["here"]}
    assert jfc("worker", "resume", "here", "--json").data == {"host": host, "resumed": ["here"]}


def test_files_that_were_copied_and_removed_are_named(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController, tmp_path: Path
) -> None:
    """The question before a removal is not on stdout."""
    flow = make_flow({"a": []})
    doc = flow.bring("a", _S.FAILED)
    folder = Path(str(controller.project.get_worker("here").work_dir)) / f"{doc.uuid}_1"
    folder.mkdir(parents=True)
    (folder / "queue.out").write_text("hello\n")
    marker = {"attempt": 1, "uuid": doc.uuid, "index": 1}
    (folder / ".jfcelery.json").write_text(f"{json.dumps(marker)}\n")
    flow.jobs.update(doc, {"run_dir": str(folder)})
    got = jfc("job", "files", "get", "1", "queue.*", "-p", str(tmp_path), "--json").data
    assert got == {"run_dir": str(folder), "files": [str(tmp_path / "queue.out")]}
    removed = jfc("job", "files", "delete", "1", "--json", stdin="y\n").data
    assert removed == {"removed": str(folder), "worker": "here"}
    assert not folder.exists()


def test_the_life_of_a_project_file(projects_folder: Path) -> None:
    """Generated, changed, refused, removed: the file is named each time."""
    jfc, path = Jfc("mine"), str(projects_folder / "mine.yaml")
    made = Jfc()("project", "generate", "mine", "--json").data
    assert made == {"project": "mine", "file": path}
    edit = ("project", "edit", "replace")
    changed = jfc(*edit, "local_worker", "here", "--json", stdin="y\n").data
    assert changed["refused"] == []
    assert changed["changed"][0]["file"] == path
    assert Path(changed["changed"][0]["backup"]).is_file()
    refused = jfc(*edit, "workers:", "wrkers:", "-y", "--json")
    assert refused.status == 2
    assert [one["file"] for one in refused.data["refused"]] == [path]
    removed = Jfc()("project", "remove", "mine", "-k", "--json", stdin="y\n").data
    assert removed == {"project": "mine", "removed": [path]}


def test_the_runner_that_does_not_run(jfc: Jfc) -> None:
    """Nothing ran: that, too, is an object."""
    none: dict[str, object] = {"project": jfc.project, "ran": False, "services": []}
    for command, done in (("stop", "stopped"), ("kill", "killed"), ("shutdown", "shut down")):
        assert jfc("runner", command, "--json").data == {"done": done, "runners": [none]}
    assert jfc("runner", "reset", "--json", stdin="y\n").data == {"ended": False}
    asked = jfc("runner", "update-status", "--json").data
    assert asked["asked_by"] == "command"
    assert len(asked["hosts"]) == 1


@pytest.mark.slow
def test_the_runner_that_runs(jfc: Jfc) -> None:
    """A start and a restart have the fields of ``jfc runner info``."""
    small = ("--single", "--no-flower", "--concurrency", "2", "--json")
    try:
        for command in ("start", "restart"):
            started = jfc("runner", command, *small).data
            assert started["state"] == "running"
            assert [one["name"] for one in started["processes"]] == ["supervisor", "worker"]
    finally:
        stopped = jfc("runner", "kill", "--json").data
    assert stopped["runners"] == [{"project": jfc.project, "ran": True, "services": []}]
