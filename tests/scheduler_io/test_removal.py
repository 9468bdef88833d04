"""Only run folders below a worker's ``work_dir`` are removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.controller import JobController
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.removal import remove_folders
from jfcelery.states import JobState
from tests.support.calling import Jfc
from tests.support.queued import Queued

if TYPE_CHECKING:
    from jfcelery.project import Project

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
