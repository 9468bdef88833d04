"""Only run folders below a worker's ``work_dir`` are removed, with all that belongs to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.controller import JobController
from jfcelery.folders import ARRAY, PLACE, RunFolder
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.queue import Submission
from jfcelery.scheduler_io.removal import remove_folders
from jfcelery.states import JobState
from tests.support.calling import Jfc
from tests.support.queued import Queued

if TYPE_CHECKING:
    from jfcelery.project import Project
    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.scheduler_io.bench import Bench as AnyBench
    from tests.scheduler_io.fake_slurm import FakeSlurm

_OUTSIDE = ("work_dir/../other", "work_dir/aa/../../other", "work_dir_too/x", "work_dir")


@pytest.mark.parametrize("place", _OUTSIDE)
def test_a_folder_outside_is_left_alone(project: Project, place: str) -> None:
    """Nor does a marker of the job's own help, or a way through ``work_dir``."""
    flow = Queued(JobController.from_project(project).queue, {"a": []})
    doc = flow.bring("a", JobState.FAILED)
    run_dir = place.replace("work_dir", str(project.get_worker("here").work_dir))
    Path(project.get_worker("here").work_dir, "aa").mkdir(parents=True, exist_ok=True)
    folder = Path(run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    marker = {"attempt": 1, "uuid": doc.uuid, "index": 1}
    (folder / RunFolder.MARKER).write_text(json.dumps(marker))
    doc = flow.jobs.update(doc, {"run_dir": run_dir})
    assert "does not lie below" in remove_folders(project, [doc]).failed["1"]
    answer = Jfc(project.name)("job", "files", "delete", "1", "-y")
    assert answer.status != 0
    assert "does not lie below" in " ".join(answer.stderr.split())
    assert (folder / RunFolder.MARKER).exists()


def test_the_place_of_an_array_goes_with_the_last_of_its_folders(
    bench: AnyBench, slurm: FakeSlurm
) -> None:
    """Also if that is the folder of an earlier attempt; another array's is left alone."""
    del slurm
    bench.worker.job_arrays = True
    first, second = _array(bench), _array(bench)
    for name, job in (("no-array", first[0]), (f"{ARRAY}-../{PLACE}", first[1])):
        Path(job.folder / ".jfc_array.7").write_text(f"{name} 0\n")
    again = Publication(second[0].folder, {}, attempt=2, marker={"uuid": second[0].uuid})
    bench.host.publish(again)
    left = []
    for job in (*first, *second):
        bench.host.remove(job.folder)
        left.append(len(list(Path(bench.worker.work_dir).glob(f"{PLACE}-*"))))
    assert left == [2, 1, 1, 0]


def _array(bench: AnyBench) -> list[QueueJob]:
    """Submit two jobs as an array."""
    jobs = [bench.put("true") for _ in range(2)]
    bench.queue.submit_all([Submission(job.folder, job.name, job.attempt) for job in jobs])
    return jobs
