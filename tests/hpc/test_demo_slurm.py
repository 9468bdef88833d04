"""The Slurm of ``compose/demo`` starts, takes logins and runs jobs, and nothing of it is root."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.tree import TREE
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.cluster import Cluster

pytestmark = pytest.mark.hpc

DEMO = TREE / "compose" / "demo"
#: A host without a scheduler of its own, and the user whom the container calls jfcelery.
HOST, USER = "hpcx", "hpc"
HOME = f"/home/{USER}"


def prepare(root: Path) -> None:
    """Write secrets, configuration and script where the container has them."""
    secrets = root / "run/secrets"
    secrets.mkdir()
    for name in ("demo_key", "demo_host_key"):
        key = secrets / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        key.chmod(0o444)
    text = (DEMO / "slurm.conf").read_text().replace("/home/jfcelery", HOME)
    text = text.replace("jfcelery", USER).replace("Host=slurm", f"Host={HOST}(127.0.0.1)")
    text = text.replace("Name=slurm", f"Name=slurm NodeHostname={HOST} NodeAddr=127.0.0.1")
    (root / "run/slurm.conf").write_text(text)
    (root / "run/start.sh").write_text((DEMO / "start.sh").read_text())


@pytest.fixture
def started(testbed: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """The testbed, on one host of which the container's script runs."""
    prepare(testbed.bed.root(HOST))
    command = "echo $$ >/run/demo/pid; exec bash /run/start.sh"
    testbed.bed.on(HOST, "install", "-d", "-o", USER, "/run/demo")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*testbed.bed.ns(HOST), "runuser", "-u", USER, "--", "bash", "-c", command],
            env={"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": HOME, "SLURM_CONF": "/run/slurm.conf"},
            stdout=log,
            stderr=log,
        )
        try:
            yield testbed
        except Exception as error:
            error.add_note((tmp_path / "log").read_text()[-3000:])
            raise
        finally:
            with contextlib.suppress(OSError):
                pid = (testbed.bed.root(HOST) / "run/demo/pid").read_text().strip()
                testbed.bed.on(HOST, "kill", pid, check=False)
            process.wait(timeout=60)


def test_a_job_is_submitted_over_ssh_and_runs(started: Cluster) -> None:
    """The key of the secrets logs in, sbatch takes a job, and it runs as the daemons do."""
    key = f"{HOME}/demo_key"
    started.bed.on(HOST, "install", "-m", "600", "-o", USER, "/run/secrets/demo_key", key)
    options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-p", "2222")
    script = "export SLURM_CONF=/run/slurm.conf; sinfo -h -o %t"

    def ssh(command: str) -> subprocess.CompletedProcess[str]:
        argv = ["ssh", "-q", *options, "-i", key, f"{USER}@127.0.0.1", command]
        found: subprocess.CompletedProcess[str] = started.bed.on(
            HOST, *argv, user=USER, check=False
        )
        return found

    wait_until(lambda: ssh(script).stdout.strip() == "idle", "the demonstration's Slurm")
    job = "export SLURM_CONF=/run/slurm.conf; sbatch --wait -o who --wrap 'id -un'; cat who"
    assert ssh(job).stdout.splitlines()[-1:] == [USER]
    owners = started.bed.on(HOST, "ps", "-C", "munged,slurmctld,slurmd", "-o", "user=").stdout
    assert set(owners.split()) == {USER}
