"""An unchanged workflow of atomate2 runs over SSH on a real Slurm.

Its name keeps it out of the suite: installing atomate2, and importing it in eight jobs, costs about
three minutes of processor time. By hand: ``pytest tests/hpc/by_hand_atomate2.py``
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.states import JobState
from jfcelery.wait import wait_for
from tests.conftest import missing
from tests.support.foreign import InstallationError, environment, site_packages
from tests.support.system import running

if TYPE_CHECKING:
    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(1800)]

#: The release that is tested, with what the running environment lacks of its dependencies.
RELEASE = "atomate2==0.1.5"
#: Seconds for the flow.
PATIENCE = 900
#: Of EMT copper at rest, in GPa; jfc demo finds the same bulk modulus by another way.
BULK_MODULUS, C44 = 134.5, 90.0
#: Jobs of the flow as it is submitted, and those that come while it runs.
SUBMITTED, DYNAMIC = 4, 4


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder of packages that holds atomate2, which the hosts see, too."""
    try:
        return site_packages(environment(RELEASE, above=True))
    except InstallationError as why:
        missing(why)


def test_elastic_constants_of_copper(
    make_project: ProjectFactory, testbed: Cluster, packages: Path, tmp_path: Path
) -> None:
    """Dynamic jobs, folders handed on, an additional store; no Celery worker has atomate2."""
    worker = testbed.worker("hpca", "slurm", resources={"time": "0:10:00"})
    worker["pre_run"] += f"\nexport PYTHONPATH={packages}"
    project = make_project(workers={"hpca": worker})
    assert project.source is not None
    env = {**os.environ, "PYTHONPATH": str(packages), "JFCELERY_PROJECT": project.name}
    jfc = str(Path(sys.executable).with_name("jfc"))
    flow_file = str(Path(__file__).with_name("atomate2_flow.py"))
    told = subprocess.run(
        [jfc, "submit", flow_file, "--json"], env=env, check=False, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    flow = json.loads(told.stdout)["flow"]
    assert len(json.loads(told.stdout)["db_ids"]) == SUBMITTED
    with running(project, tmp_path) as system:
        try:
            wait_for([flow], PATIENCE, progress=False, project=project)
        except Exception as error:
            error.add_note(system.logs())
            raise
    docs = list(Jobs(open_queue(project)).find({"flow": flow}))
    assert {doc.state for doc in docs} == {JobState.COMPLETED}, [
        doc.error or doc.remote.error for doc in docs
    ]
    assert len(docs) == SUBMITTED + DYNAMIC
    by_name = {doc.job.name: doc for doc in docs}
    store = project.get_jobstore()
    store.connect()
    fit = store.get_output(by_name["fit_elastic_tensor"].uuid)
    assert fit["derived_properties"]["k_vrh"] == pytest.approx(BULK_MODULUS, rel=0.01)
    assert fit["elastic_tensor"]["ieee_format"][3][3] == pytest.approx(C44, rel=0.01)
    relaxed = by_name["EMT relaxation"]
    # what the next job gets as its prev_dir
    assert store.get_output(relaxed.uuid)["dir_name"] == relaxed.run_dir
    data = store.additional_stores["data"]  # type: ignore[has-type]
    assert data.count({"job_uuid": relaxed.uuid}) == 1
    store.close()
