"""What a person does to jobs while everything really runs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jobflow import Flow

from jfcelery.controller import JobController
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from jfcelery.wait import wait_for
from tests.support.calling import Jfc
from tests.support.jobs import add
from tests.support.slow_jobs import (
    addition_by_count,
    detour_by_count,
    fail_unless_file,
    replace_by_count,
    wait_for_file,
)
from tests.support.system import running
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobflow import Job

    from jfcelery.project import Project
    from tests.support.system import System

_S = JobState
#: Seconds in which flows of a few jobs end on a busy machine.
PATIENCE = 150

pytestmark = pytest.mark.slow


@pytest.fixture
def system(project: Project, tmp_path: Path) -> Iterator[System]:
    """A running system."""
    with running(project, tmp_path) as system:
        yield system


@pytest.fixture
def controller(project: Project) -> JobController:
    """The controller of its project."""
    return JobController(project)


def state_of(controller: JobController, db_id: str) -> JobState:
    """Return the state of a job."""
    info = controller.get_job_info(db_id=db_id)
    assert info is not None
    return info.state


def processes_in(folder: str) -> list[int]:
    """Return the processes whose working directory is a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == Path(folder):
                found.append(int(process.name))
    return found


def runs(pid: int) -> bool:
    """Return whether a process runs; one that ended may wait for its parent to notice."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def test_a_stopped_job_leaves_no_process_behind_and_starts_again(
    system: System, controller: JobController, project: Project, tmp_path: Path
) -> None:
    """Stop kills the queue job, confirmed; resume runs a new attempt in a fresh folder."""
    gate = tmp_path / "gate"
    slow = wait_for_file(str(gate), 5)
    flow = Flow([slow, add(slow.output, 1)])
    first, second = submit_flow(flow, project=project)
    started = Path(f"{gate}.started")
    wait_until(started.exists, "the job to start", deadline=PATIENCE)
    doc = controller.get_job_doc(db_id=first)
    assert doc is not None
    assert doc.run_dir is not None
    assert processes_in(doc.run_dir)
    started.unlink()
    assert Jfc(project.name)("job", "stop", first).status == 0
    assert state_of(controller, first) is _S.USER_STOPPED

    def confirmed() -> bool:
        now = controller.get_job_doc(db_id=first)
        return now is not None and not now.cancel

    wait_until(confirmed, "the queue job to be confirmed gone", deadline=PATIENCE)
    assert processes_in(doc.run_dir) == []
    assert not started.exists()
    gate.touch()
    assert Jfc(project.name)("flow", "resume", first).status == 0
    assert wait_for(first, PATIENCE, progress=False, project=project) == {_S.COMPLETED: 2}
    assert controller.get_job_output(db_id=second) == 6
    again = controller.get_job_doc(db_id=first)
    assert again is not None
    assert again.attempt == 2


def test_a_running_job_is_rerun(
    system: System, controller: JobController, project: Project, tmp_path: Path
) -> None:
    """The earlier run ends before the new one begins; its folder is kept."""
    gate = tmp_path / "gate"
    (only,) = submit_flow(wait_for_file(str(gate)), project=project)
    started = Path(f"{gate}.started")
    wait_until(started.exists, "the job to start", deadline=PATIENCE)
    before = controller.get_job_doc(db_id=only)
    assert before is not None
    assert before.run_dir is not None
    pids = processes_in(before.run_dir)
    assert pids
    started.unlink()
    controller.rerun_job(db_id=only)
    wait_until(started.exists, "the second run to start", deadline=PATIENCE)
    assert not any(runs(pid) for pid in pids)
    gate.touch()
    assert wait_for(only, PATIENCE, progress=False, project=project) == {_S.COMPLETED: 1}
    after = controller.get_job_doc(db_id=only)
    assert after is not None
    assert (after.attempt, after.cancel) == (2, [])
    archived = Path(before.run_dir).with_name(f"{Path(before.run_dir).name}.attempt1")
    assert archived.is_dir()


def test_a_failed_job_is_rerun_and_its_children_run(
    system: System, controller: JobController, project: Project, tmp_path: Path
) -> None:
    """The error stands in the job until it is rerun; then the flow goes on."""
    path = tmp_path / "file"
    first = fail_unless_file(str(path))
    ids = submit_flow(Flow([first, add(first.output, "!")]), project=project)
    wait_until(
        lambda: state_of(controller, ids[0]) is _S.FAILED, "the job to fail", deadline=PATIENCE
    )
    assert "RuntimeError: not yet" in Jfc(project.name)("job", "info", ids[0]).stdout
    path.touch()
    assert Jfc(project.name)("job", "rerun", ids[0]).status == 0
    assert wait_for(ids, PATIENCE, progress=False, project=project) == {_S.COMPLETED: 2}
    assert controller.get_job_output(db_id=ids[1]) == "well!"


def test_a_replaced_job_is_rerun_with_everything_it_made(
    system: System, controller: JobController, project: Project, tmp_path: Path
) -> None:
    """After a forced rerun outputs are those of a clean run; the old generation is archived."""
    counter = tmp_path / "counter"
    maker = replace_by_count(str(counter))
    child = add(maker.output, 1000)
    ids = submit_flow(Flow([maker, child]), project=project)
    assert wait_for(ids, PATIENCE, progress=False, project=project) == {_S.COMPLETED: 5}
    assert controller.get_job_output(db_id=ids[1]) == 1111
    refused = Jfc(project.name)("job", "rerun", maker.uuid, "1")
    assert refused.status == 1
    changed = controller.rerun_job(job_id=maker.uuid, job_index=1, force=True)
    assert set(changed) == set(ids)
    assert wait_for(ids, PATIENCE, progress=False, project=project) == {_S.COMPLETED: 5}
    assert controller.get_job_output(db_id=ids[1]) == 1112
    assert controller.get_job_output(job_id=maker.uuid) == 112
    assert controller.queue.history.count_documents({"event": "archive"}) == 3


@pytest.mark.parametrize("made_by", [detour_by_count, addition_by_count])
def test_a_job_that_made_another_is_rerun(
    system: System,
    controller: JobController,
    project: Project,
    tmp_path: Path,
    made_by: Callable[[str], Job],
) -> None:
    """The old detour or addition is gone, the new one has run, the child used the new output."""
    maker = made_by(str(tmp_path / "counter"))
    child = add(maker.output, 10)
    ids = submit_flow(Flow([maker, child]), project=project)
    assert wait_for(ids, PATIENCE, progress=False, project=project) == {_S.COMPLETED: 3}
    assert controller.get_job_output(db_id=ids[1]) == 11
    controller.rerun_job(db_id=ids[0], force=True)
    assert wait_for(ids, PATIENCE, progress=False, project=project) == {_S.COMPLETED: 3}
    assert controller.get_job_output(db_id=ids[1]) == 12
    (made,) = [job for job in controller.get_jobs_info() if job.db_id not in ids]
    assert controller.get_job_output(db_id=made.db_id) == 1002
    assert controller.queue.history.count_documents({"event": "archive"}) == 1


def test_a_running_flow_is_deleted_with_its_queue_jobs_and_folders(
    system: System, controller: JobController, project: Project, tmp_path: Path
) -> None:
    """Nothing of it is left: no process, no folder, no output, no document."""
    gate = tmp_path / "gate"
    done, slow = add(1, 2), wait_for_file(str(gate))
    flow = Flow([done, slow, add(slow.output, done.output)])
    ids = submit_flow(flow, project=project)
    wait_until(Path(f"{gate}.started").exists, "the job to start", deadline=PATIENCE)
    wait_until(lambda: state_of(controller, ids[0]) is _S.COMPLETED, "the other", deadline=PATIENCE)
    folders = [job.run_dir for job in controller.get_jobs_info() if job.run_dir]
    assert len(folders) == 2
    answer = Jfc(project.name)(
        *("flow", "delete", "-fid", flow.uuid, "-y", "--all", "-w", str(PATIENCE))
    )
    assert answer.status == 0, answer.stderr
    assert not any(Path(folder).exists() for folder in folders)
    assert not any(processes_in(folder) for folder in folders)
    assert controller.count_jobs() == controller.count_flows() == 0
    store = project.get_jobstore()
    store.connect()
    assert store.count() == 0
    store.close()
