"""An unchanged workflow of atomate2 runs over SSH on Slurm, and returns what it returns here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from monty.json import jsanitize

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.states import JobState
from jfcelery.wait import wait_for
from tests.conftest import missing
from tests.support.foreign import ATOMATE2, InstallationError, environment, site_packages
from tests.support.system import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(1800)]

#: Seconds for the flow.
PATIENCE = 1200
#: Of EMT copper at rest, in GPa; jfc demo finds the same bulk modulus by another way.
BULK_MODULUS, C44 = 134.5, 90.0
#: Jobs of the flow as it is submitted, and those that come while it runs.
SUBMITTED, DYNAMIC = 4, 4
#: The flow.
FILE = Path(__file__).with_name("atomate2_flow.py")


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder of packages that holds atomate2, which the hosts see, too."""
    try:
        return site_packages(environment(ATOMATE2, above=True))
    except InstallationError as why:
        missing(why)


def workers(testbed: Cluster, packages: Path) -> dict[str, Any]:
    """Return a worker with a queue job for each job, and one whose jobs share a pilot.

    To import atomate2 takes ten seconds of processor time: the pilot does it once.
    """
    found = {}
    for name in ("many", "single"):
        worker = testbed.worker("hpca", "slurm", resources={"time": "0:10:00"})
        worker["pre_run"] += f"\nexport PYTHONPATH={packages}"
        found[name] = worker
    folder = found["many"]["work_dir"]
    found["many"] |= {
        "max_jobs": 1,
        "preload": ["atomate2.forcefields.flows.elastic", "atomate2.ase.jobs"],
        "batch": {
            "jobs_handle_dir": f"{folder}/pool",
            "work_dir": f"{folder}/pilots",
            "parallel_jobs": 2,
        },
    }
    return found


def test_elastic_constants_of_copper(
    make_project: ProjectFactory, testbed: Cluster, packages: Path, tmp_path: Path
) -> None:
    """Dynamic jobs, folders handed on, an additional store; no Celery worker has atomate2."""
    project = make_project(workers=workers(testbed, packages))
    env = {**os.environ, "PYTHONPATH": str(packages), "JFCELERY_PROJECT": project.name}
    jfc = str(Path(sys.executable).with_name("jfc"))
    argv = [jfc, "submit", str(FILE), "--name", "placed", "--json"]
    told = subprocess.run(argv, env=env, check=False, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    flow = json.loads(told.stdout)["flow"]
    assert len(json.loads(told.stdout)["db_ids"]) == SUBMITTED
    with running(project, tmp_path):
        wait_for([flow], PATIENCE, progress=False, project=project)
    docs = list(Jobs(open_queue(project)).find({"flow": flow}))
    assert {doc.state for doc in docs} == {JobState.COMPLETED}, [
        doc.error or doc.remote.error for doc in docs
    ]
    assert len(docs) == SUBMITTED + DYNAMIC
    assert {doc.worker for doc in docs} == {"single", "many"}
    by_name = {doc.job.name: doc for doc in docs}
    store = project.get_jobstore()
    store.connect()
    fit = store.get_output(by_name["fit_elastic_tensor"].uuid)
    assert fit["derived_properties"]["k_vrh"] == pytest.approx(BULK_MODULUS, rel=0.01)
    assert fit["elastic_tensor"]["ieee_format"][3][3] == pytest.approx(C44, rel=0.01)
    assert_same(fit, locally(packages, tmp_path))
    relaxed = by_name["EMT relaxation"]
    # what the next job gets as its prev_dir
    assert store.get_output(relaxed.uuid)["dir_name"] == relaxed.run_dir
    data = store.additional_stores["data"]  # type: ignore[has-type]
    assert data.count({"job_uuid": relaxed.uuid}) == 1
    store.close()


def locally(packages: Path, folder: Path) -> dict[str, Any]:
    """Return what the flow returns with jobflow's own ``run_locally``."""
    (folder / "local").mkdir()
    path = f"{packages}{os.pathsep}{Path(__file__).parents[2]}"
    argv = [sys.executable, "-W", "ignore", str(FILE)]
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        argv, env=env, cwd=folder / "local", check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    output: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return output


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two outputs hold the same, but for folders and uuids of the jobs, and rounding."""
    ours, theirs = dict(leaves(jsanitize(one))), dict(leaves(other))
    assert ours.keys() == theirs.keys()
    for path, value in theirs.items():
        if isinstance(value, float):
            assert ours[path] == pytest.approx(value, rel=1e-5, abs=1e-5), path
        elif not {"uuids", "job_dirs"} & set(path):
            assert ours[path] == value, path


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each value that holds no others, with the keys that lead to it."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from leaves(item, (*path, key))
    else:
        yield path, value
