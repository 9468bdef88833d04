"""A host with one-time passwords: a person logs in once, and all that waited goes on."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from jobflow import Flow
from jobflow.core.job import Job

from jfcelery.cli.main import jfc
from jfcelery.database.connection import open_queue
from jfcelery.database.hosts import HostRecords
from jfcelery.database.jobs import Jobs
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.states import JobState
from jfcelery.submission import submit_flow
from jfcelery.wait import wait_for
from tests.support.cluster import PROGRAM
from tests.support.system import running
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.project import Project
    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(600)]

#: Who logs in: the one-time passwords of the usual user are those of other tests.
USER = "other"


def test_all_goes_on_after_the_login(
    make_project: ProjectFactory,
    testbed: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the first login, and when the master dies while a job runs, the host is held back.

    Jobs keep their state and their attempt; one that ends meanwhile completes after the next login.
    """
    place = testbed.bed.data["hosts"]["hpca"]["ssh_otp"]
    work_dir = f"/home/{USER}/{tmp_path.name}-{uuid.uuid4().hex[:8]}"
    worker = testbed.worker("hpca", "slurm", interactive_login=True) | place
    worker |= {"user": USER, "work_dir": work_dir, "timeout_execute": 20}
    worker["pre_run"] += f"\nwhile [ ! -e {work_dir}/go ]; do sleep 0.2; done"
    project = make_project(workers={"otp": worker})
    job = Job(math.sqrt, function_args=(9.0,), name="root")
    flow = Flow([job])
    _type_the_password(monkeypatch, tmp_path)
    jobs, hosts = Jobs(open_queue(project)), HostRecords(open_queue(project))
    key = project.get_worker("otp").host_key

    def held() -> bool:
        return hosts.get(key).open and hosts.get(key).error_class == "LoginNeededError"

    try:
        with running(project, tmp_path):
            submit_flow(flow, project=project)
            wait_until(held, "the host to be held back")
            assert jobs.get(job.uuid).state == JobState.CHECKED_OUT
            _login(project)
            wait_until(lambda: jobs.get(job.uuid).state == JobState.RUNNING, "the job to run")
            _kill_the_master(project)
            wait_until(held, "the host to be held back again")
            told = CliRunner().invoke(jfc, ["-p", project.name, "worker", "list", "--json"])
            assert "nobody is logged in" in told.stdout
            assert (jobs.get(job.uuid).state, jobs.get(job.uuid).attempt) == (
                JobState.RUNNING,
                1,
            )
            testbed.bed.on("hpca", "touch", f"{work_dir}/go")
            _login(project)
            counts = wait_for(flow, 300, progress=False, project=project)
    finally:
        for host in Hosts(project).interactive("otp"):
            host.logout()
    assert counts == {JobState.COMPLETED: 1}
    assert jobs.get(job.uuid).attempt == 1


def _login(project: Project) -> None:
    """Log in; each password counts once, and comes anew every half a minute."""

    def login() -> bool:
        done = CliRunner().invoke(jfc, ["-p", project.name, "worker", "login", "otp"])
        return done.exit_code == 0

    wait_until(login, "a login with a fresh password", deadline=200, every=2)


def _kill_the_master(project: Project) -> None:
    """Kill the process of OpenSSH that holds the connection."""
    (host,) = Hosts(project).interactive("otp")
    check = subprocess.run(
        ["ssh", "-S", str(host._socket), "-O", "check", "127.0.0.1"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    os.kill(int(check.stderr.partition("pid=")[2].partition(")")[0]), signal.SIGKILL)


def _type_the_password(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have OpenSSH ask a program in place of a person at a terminal."""
    program = folder / "askpass"
    program.write_text(
        f"#!{sys.executable} -I\n"
        f"import sys; sys.path.insert(0, {str(PROGRAM.parent)!r})\n"
        "import testbed; print(testbed.totp())\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(program))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("DISPLAY", ":0")
