"""``jfc worker test`` and ``jfc project check`` on real clusters, over SSH."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from tests.support.calling import Jfc

if TYPE_CHECKING:
    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.timeout(300)]


@pytest.mark.parametrize("host, scheduler", [("hpca", "slurm"), ("hpcb", "sge")])
def test_a_worker_that_works_is_tried_out(
    make_project: ProjectFactory, testbed: Cluster, host: str, scheduler: str
) -> None:
    """Login, work_dir, scheduler and the Python found there are shown; status 0."""
    worker = testbed.worker(host, scheduler)
    jfc = Jfc(make_project(workers={"far": worker}).name)
    python = f"python {platform.python_version()}"

    done = jfc("worker", "test", "far")
    assert done.status == 0, done.stdout
    assert f"ok    worker far: login: {host}, " in done.stdout
    assert f"ok    worker far: work_dir: {worker['work_dir']} can be written" in done.stdout
    assert f"ok    worker far: scheduler: {scheduler} answers" in done.stdout
    assert f"ok    worker far: environment: {testbed.prefix}/bin/jfc, {python}" in done.stdout

    checked = jfc("project", "check", "-w", "far", "--json")
    assert checked.status == 0, checked.stdout
    found = {row["what"]: row for row in checked.data["findings"]}
    assert set(found) == {"login", "work_dir", "scheduler", "environment"}
    assert {row["subject"] for row in found.values()} == {"worker far"}
    assert all(row["ok"] for row in found.values())
    assert found["login"]["detail"].startswith(host)
    assert worker["work_dir"] in found["work_dir"]["detail"]
    assert scheduler in found["scheduler"]["detail"]
    assert python in found["environment"]["detail"]
