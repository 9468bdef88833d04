"""Jobs that ended badly go on as the rules say, and as often; the history says what was done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.controller.bulk import Manner
from jfcelery.controller.reasons import reasons
from jfcelery.controller.rerun import Rerun
from jfcelery.database.slots import Slots
from jfcelery.errors import RunFolderError
from jfcelery.flows.insert import Placement, add_flow
from jfcelery.flows.recovery import causes_of, decide
from jfcelery.project.recovery import BUILT_IN
from jfcelery.scheduler_io.hosts.this_machine import ThisMachine
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.scheduler_io.schedulers.base import EndReason, EndReport
from jfcelery.states import JobState
from jfcelery.tasks import recovery, step
from jfcelery.tasks.checkout import checkout
from jfcelery.tasks.upload import upload
from tests.support.bench import QUICK, Bench, quick_worker
from tests.support.entries import QUICK_JOB, flow_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project
    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.support.projects import ProjectFactory
    from tests.tasks.conftest import MakeBench

_S = JobState
#: Leaves nothing but a restart file, until the folder of the test says that it may work.
DYING = """\
echo "$(cat "$1/restart" 2>/dev/null) run" >"$1/restart"
[ -e "$QUICK/good" ] || exit 1
exec "$0" "$1"
"""


@pytest.fixture
def dying(make_bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeBench:
    """Makes benches whose jobs die, by the accounting for the reason in the bench's ``end``."""
    script = tmp_path / "dying.sh"
    script.write_text(DYING.replace('"$0"', f'"{QUICK}"'))

    def report(_queue: WorkerQueue, jobs: Sequence[QueueJob]) -> dict[str, EndReport]:
        reason = EndReason((tmp_path / "end").read_text())
        return {job.queue_id: EndReport(reason, words=reason.value) for job in jobs}

    monkeypatch.setattr(WorkerQueue, "end_reports", report)
    (tmp_path / "end").write_text("NODE_FAIL")

    def make(*, worker: dict[str, Any] | None = None, **sections: Any) -> Bench:
        options = {"execution_cmd": f"bash {script} {{}}", **(worker or {})}
        return make_bench(worker=options, **sections)

    return make


def add(bench: Bench, edges: dict[str, list[str]]) -> str:
    """Add quick jobs, and return their flow."""
    flow = flow_of(edges, payload=QUICK_JOB)
    add_flow(bench.runtime.queue, flow, Placement(worker="here"))
    return flow.uuid


def entries(bench: Bench, uuid: str, event: str) -> list[str]:
    """Return why a job was changed, for one event of its history."""
    doc = bench.runtime.jobs.get(uuid)
    return [c.why for c in bench.runtime.jobs.history.of(doc) if c.event == event]


def restarts(bench: Bench, uuid: str) -> str:
    """Return what the attempts of a job left in its folder."""
    return Path(str(bench.runtime.jobs.get(uuid).run_dir), "restart").read_text().strip()


def test_a_node_that_failed_costs_attempts_only_and_not_without_end(dying: MakeBench) -> None:
    """Without any rule in the file the job runs again, three times, and then it is REMOTE_ERROR."""
    bench = dying()
    flow = add(bench, {"a": [], "b": ["a"]})
    assert bench.run_until_rest(flow) == {"a": "RERR", "b": "W"}
    doc = bench.runtime.jobs.get("a")
    assert doc.attempt == 1 + BUILT_IN.attempts
    assert [why.partition(":")[0] for why in entries(bench, "a", "recover")] == [
        f"NODE_FAIL ({number} of 3)" for number in (1, 2, 3)
    ]
    (failed,) = entries(bench, "a", "fail")
    assert "all 3 new attempts for NODE_FAIL are used up" in failed
    assert restarts(bench, "a") == "run"
    (bench.folder / "good").touch()
    Rerun(bench.project, bench.runtime.jobs).run([doc], Manner(wait=30))
    assert bench.runtime.jobs.get("a").recovery is None
    assert bench.run_until_rest(flow) == {"a": "C", "b": "C"}


def test_a_timeout_is_left_to_a_person_unless_a_rule_says_otherwise(
    dying: MakeBench, tmp_path: Path
) -> None:
    """A job that may do the same again and again is not run again by itself."""
    (tmp_path / "end").write_text("TIMEOUT")
    bench = dying()
    flow = add(bench, {"a": []})
    assert bench.run_until_rest(flow) == {"a": "RERR"}
    assert bench.runtime.jobs.get("a").attempt == 1
    assert entries(bench, "a", "recover") == []


def test_a_job_goes_on_with_its_files(dying: MakeBench, tmp_path: Path) -> None:
    """The new attempt finds them beside its own input; the earlier folder keeps them, too."""
    (tmp_path / "end").write_text("TIMEOUT")
    rule = {"on": ["TIMEOUT"], "attempts": 2, "keep_files": True}
    bench = dying(recovery=[rule])
    flow = add(bench, {"a": []})
    assert bench.run_until_rest(flow) == {"a": "RERR"}
    assert restarts(bench, "a") == "run run run"
    doc = bench.runtime.jobs.get("a")
    earlier = Path(f"{doc.run_dir}.attempt2")
    assert (earlier / "jfc_end.2").exists()
    assert not Path(str(doc.run_dir), "jfc_end.2").exists()
    assert all("files kept" in why for why in entries(bench, "a", "recover"))
    found = [reason.text for reason in reasons(bench.project, bench.runtime.queue, doc)]
    assert any("TIMEOUT (2 of 2): new attempt, files kept" in text for text in found)


def test_rules_of_the_worker_come_before_those_of_the_project(
    dying: MakeBench, tmp_path: Path
) -> None:
    """What is used up gives way to the next rule, however the first one was found."""
    (tmp_path / "end").write_text("OUT_OF_MEMORY")
    nearest = {"recovery": [{"on": ["OUT_OF_MEMORY"], "keep_files": True}]}
    bench = dying(worker=nearest, recovery=[{"on": ["OUT_OF_MEMORY"], "attempts": 2}])
    flow = add(bench, {"a": []})
    assert bench.run_until_rest(flow) == {"a": "RERR"}
    assert [why.partition(";")[0] for why in entries(bench, "a", "recover")] == [
        "OUT_OF_MEMORY (1 of 1): new attempt, files kept",
        "OUT_OF_MEMORY (1 of 2): new attempt",
        "OUT_OF_MEMORY (2 of 2): new attempt",
    ]


def test_a_job_moves_to_another_worker(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its place on the first is free again, and it completes on the second."""
    workers = {
        "here": quick_worker(tmp_path, execution_cmd="false {}", max_jobs=1),
        "there": quick_worker(tmp_path / "other"),
    }
    rules = [{"on": ["OutputMissingError"], "worker": "there", "notify": True}]
    bench = Bench(make_project(workers=workers, recovery=rules), tmp_path, monkeypatch)
    told: list[tuple[str, str]] = []

    def broken(*_args: object) -> None:
        raise RuntimeError("of the listener")

    def listen(_runtime: object, doc: JobDoc, why: str) -> None:
        told.append((doc.id, why))

    monkeypatch.setattr(recovery, "listeners", [broken, listen])
    flow = add(bench, {"a": [], "b": []})
    assert bench.run_until_rest(flow) == {"a": "C", "b": "C"}
    assert {bench.runtime.jobs.get(uuid).worker for uuid in "ab"} == {"there"}
    (why,) = entries(bench, "a", "recover")
    assert "worker here -> there" in why
    (heard,) = [words for key, words in told if key == "a_1"]
    assert heard.startswith(why.partition(" ... ")[0])  # the history cuts out the middle
    bench.runtime.close()


def test_the_place_of_the_next_attempt_is_not_given_back(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next attempt may have a place before the step is over that gave the job up."""
    rules = [{"on": ["RunFolderError"]}]
    bench = make_bench(worker={"max_jobs": 1}, recovery=rules)
    add(bench, {"a": []})
    checkout(bench.runtime)
    slots = Slots(bench.runtime.queue, "here")
    assert slots.acquire(["a_1"], 1)
    commit = step.commit_step
    held: list[list[str]] = []

    def overtaken(*args: Any, **options: Any) -> JobDoc:
        held.append(slots.held())
        changed = commit(*args, **options)
        assert slots.acquire(["a_1"], 1)  # as the submission of the next attempt does
        return changed

    def broken(*_args: object, **_options: object) -> None:
        raise RunFolderError("somebody else's")

    monkeypatch.setattr(step, "commit_step", overtaken)
    monkeypatch.setattr(ThisMachine, "publish", broken)
    assert not upload.run(bench.runtime, "a", 1, bench.runtime.jobs.get("a").epoch)
    assert bench.runtime.jobs.get("a").state is JobState.READY
    assert held == [[]]
    assert slots.held() == ["a_1"]


def test_an_exception_of_the_job_is_met_by_its_class(make_bench: MakeBench) -> None:
    """What the job itself raised has rules too; children are not released in between."""
    rules = [{"on": ["ValueError"], "attempts": 2}]
    bench = make_bench(recovery=rules)
    (bench.folder / "fail").write_text("a_1\n")
    flow = add(bench, {"a": [], "b": ["a"]})
    assert bench.run_until_rest(flow) == {"a": "F", "b": "W"}
    doc = bench.runtime.jobs.get("a")
    assert (doc.attempt, doc.error_class) == (3, "ValueError")
    assert bench.starts() == ["a_1 1", "a_1 2", "a_1 3"]


def test_a_flow_is_paused_when_one_of_its_jobs_fails(make_bench: MakeBench) -> None:
    """What has not started waits for a person; what runs goes on; other flows too."""
    bench = make_bench(recovery=[{"on": ["ValueError"], "action": "pause_flow", "notify": True}])
    (bench.folder / "fail").write_text("a_1\n")
    other = add(bench, {"x": []})
    flow = add(bench, {"a": [], "b": ["a"], "c": ["b"]})
    assert bench.run_until_rest(flow) == {"a": "F", "b": "P", "c": "P"}
    assert bench.run_until_rest(other) == {"x": "C"}
    (why,) = entries(bench, "c", "pause")
    assert "ended with ValueError" in why
    (why,) = entries(bench, "a", "finalize")
    assert why.endswith("(ValueError: the flow is paused)")


def test_a_rule_can_switch_the_built_in_one_off(dying: MakeBench) -> None:
    """``leave`` means that nothing is done."""
    bench = dying(recovery=[{"on": ["NODE_FAIL", "PREEMPTED"], "action": "leave"}])
    flow = add(bench, {"a": []})
    assert bench.run_until_rest(flow) == {"a": "RERR"}
    assert bench.runtime.jobs.get("a").attempt == 1


def test_a_lost_queue_job_is_cancelled_before_the_new_attempt(
    dying: MakeBench, tmp_path: Path
) -> None:
    """Of a job that is not in the queue any more, nobody knows whether it still runs."""
    (tmp_path / "end").write_text("LOST")
    bench = dying(recovery=[{"on": ["LOST"]}])
    add(bench, {"a": []})
    doc = bench.runtime.jobs.get("a").with_fields(
        {"remote.end": {"reason": "LOST"}, "remote.process_id": "17", "run_dir": "/w", "attempt": 1}
    )
    decision = decide(bench.project, doc, causes_of(doc, "OutputMissingError"), "gone")
    (request,) = decision.fields["cancel"]
    assert (request["queue_id"], request["worker"]) == ("17", "here")


@pytest.mark.parametrize(
    "reason, rules, helps",
    [
        ("FORGOTTEN", [], True),
        ("FORGOTTEN", [{"on": ["LOST"], "action": "leave"}], False),
        ("FORGOTTEN", [{"on": ["FORGOTTEN"], "action": "leave"}], False),
        ("LOST", [], False),
        ("LOST", [{"on": ["FORGOTTEN"]}], False),
    ],
)
def test_what_never_began_is_submitted_again_by_itself(
    make_bench: MakeBench, reason: str, rules: list[dict[str, Any]], helps: bool
) -> None:
    """A job that was forgotten cannot run twice; rules for lost jobs are meant for it, too."""
    bench = make_bench(recovery=rules)
    add(bench, {"a": []})
    doc = bench.runtime.jobs.get("a").with_fields(
        {"remote.end": {"reason": reason}, "remote.process_id": "17", "run_dir": "/w", "attempt": 1}
    )
    decision = decide(bench.project, doc, causes_of(doc, "OutputMissingError"), "gone")
    assert decision.is_retry is helps
    assert [one["queue_id"] for one in decision.fields.get("cancel", [])] == ["17"] * helps


@pytest.fixture
def cluster_project(make_project: ProjectFactory) -> Project:
    """A project with a Slurm and a PBS worker."""
    slurm = {"time": "1:00:00", "mem": "4G", "partition": "short"}
    workers = {
        "slurm": {
            "type": "local",
            "scheduler_type": "slurm",
            "work_dir": "/w",
            "resources": slurm,
        },
        "pbs": {
            "type": "local",
            "scheduler_type": "pbs",
            "work_dir": "/w",
            "resources": {"walltime": "2:00:00", "select": "select=1:mem=8gb"},
        },
    }
    rules = [
        {
            "on": ["TIMEOUT"],
            "attempts": 9,
            "time_factor": 2,
            "time_ceiling": "3:00:00",
            "resources": {"partition": "long"},
        },
        {"on": ["TIMEOUT"], "worker": "pbs", "time_factor": 3},
        {"on": ["OUT_OF_MEMORY"], "memory_factor": 2},
    ]
    return make_project(workers=workers, recovery=rules)


def test_resources_grow_up_to_the_ceiling_and_then_the_next_rule_holds(
    cluster_project: Project, make_bench: MakeBench
) -> None:
    """Worker's resources are the start; another scheduler's worker starts from its own."""
    bench = make_bench()
    add(bench, {"a": []})
    doc = bench.runtime.jobs.get("a").with_fields({"worker": "slurm", "resources": None})
    seen, why = [], ""
    for _ in range(3):
        decision = decide(cluster_project, doc, ["TIMEOUT"], "late")
        assert decision.is_retry
        seen.append((decision.fields["worker"], decision.fields["resources"]))
        doc, why = doc.with_fields(decision.fields), decision.why
    assert seen == [
        ("slurm", {"time": "2:00:00", "mem": "4G", "partition": "long"}),
        ("slurm", {"time": "3:00:00", "mem": "4G", "partition": "long"}),
        ("pbs", {"walltime": "6:00:00", "select": "select=1:mem=8gb"}),
    ]
    assert "worker slurm -> pbs, walltime 2:00:00 -> 6:00:00" in why
    last = decide(cluster_project, doc, ["TIMEOUT"], "late")
    assert last.rule is None
    assert "used up" in last.why


def test_memory_grows_by_what_the_accounting_says(
    cluster_project: Project, make_bench: MakeBench
) -> None:
    """A serialised QResources is taken for what the scheduler makes of it."""
    from qtoolkit.core.data_objects import QResources

    bench = make_bench()
    add(bench, {"a": []})
    wanted = QResources(processes=4, memory_per_thread=1000).as_dict()
    doc = bench.runtime.jobs.get("a").with_fields({"worker": "slurm", "resources": wanted})
    decision = decide(cluster_project, doc, ["OUT_OF_MEMORY"], "killed")
    assert decision.fields["resources"]["mem_per_cpu"] == "2000M"
    assert decision.fields["resources"]["ntasks"] == 4
