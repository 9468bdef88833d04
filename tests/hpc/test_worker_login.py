"""A host with one-time passwords: a person logs in once, and all that waited goes on."""

from __future__ import annotations

import math
import sys
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

    from tests.support.cluster import Cluster
    from tests.support.projects import ProjectFactory

pytestmark = [pytest.mark.hpc, pytest.mark.slow, pytest.mark.timeout(600)]


def test_all_goes_on_after_the_login(
    make_project: ProjectFactory,
    testbed: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until somebody logs in the host is held back and the job keeps its state; then it runs."""
    place = testbed.bed.data["hosts"]["hpca"]["ssh_otp"]
    worker = testbed.worker("hpca", "slurm", interactive_login=True) | place
    project = make_project(workers={"otp": worker})
    job = Job(math.sqrt, function_args=(9.0,), name="root")
    flow = Flow([job])
    _type_the_password(monkeypatch, tmp_path)
    try:
        with running(project, tmp_path) as system:
            submit_flow(flow, project=project)
            hosts = HostRecords(open_queue(project))
            key = project.get_worker("otp").host_key
            wait_until(lambda: hosts.get(key).open, "the host to be held back")
            assert hosts.get(key).error_class == "LoginNeededError"
            assert Jobs(open_queue(project)).get(job.uuid).state == JobState.CHECKED_OUT

            def login() -> bool:
                done = CliRunner().invoke(jfc, ["-p", project.name, "worker", "login", "otp"])
                return done.exit_code == 0  # each password counts once: another test may have it

            wait_until(login, "a login with a fresh password", deadline=200, every=5)
            try:
                counts = wait_for(flow, 300, progress=False, project=project)
            except Exception as error:
                error.add_note(system.logs())
                raise
    finally:
        for host in Hosts(project).interactive("otp"):
            host.logout()
    assert counts == {JobState.COMPLETED: 1}


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
