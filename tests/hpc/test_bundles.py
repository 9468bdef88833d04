"""Many ready jobs for one cluster, over a slow link, through Celery and a real Slurm."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from jobflow import Flow
from jobflow.core.job import Job

from jfcelery.database.connection import open_queue
from jfcelery.database.jobs import Jobs
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from tests.support.system import running
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cluster import Cluster
    from tests.support.lab import Lab
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(600)]

#: Jobs of the flow: more than a worker's bundle from its threshold on, few enough to be quick.
JOBS = 12
#: Milliseconds that the link takes, each way.
LATENCY = 25


def test_a_crowd_is_submitted_in_one_bundle(
    make_project: ProjectFactory, testbed: Cluster, lab: Lab, tmp_path: Path
) -> None:
    """Each job has a queue job of its own, submitted once; Celery saw one task for all of them."""
    relay = lab.relay()
    relay.set(latency_ms=LATENCY)
    worker = testbed.worker("hpca", "slurm", execution_cmd="true {}")
    project = make_project(workers={"hpca": worker | {"host": "127.0.0.1", "port": relay.port}})
    flow = Flow([Job(math.sqrt, function_args=(float(n),)) for n in range(JOBS)])
    jobs = Jobs(open_queue(project))
    with running(project, tmp_path) as system:
        submit_flow(flow, project=project)

        def submitted() -> bool:
            docs = list(jobs.find({"flow": flow.uuid}))
            return all(doc.remote.process_id for doc in docs)

        try:
            wait_until(submitted, "all jobs to be submitted", every=0.5, deadline=300)
        except TimeoutError as error:
            error.add_note(system.logs())
            raise
    log = (tmp_path / "worker0.log").read_text()
    assert log.count("jfcelery.bundle[") >= 1
    assert "jfcelery.upload[" not in log
    docs = list(jobs.find({"flow": flow.uuid}))
    assert len({doc.remote.process_id for doc in docs}) == JOBS
    assert JobState.CHECKED_OUT not in {doc.state for doc in docs}
    for doc in docs:
        events = [change.event for change in jobs.history.of(doc)]
        assert (events.count("upload"), events.count("submit")) == (1, 1)
