"""Ids, names and paths from messages, documents and clusters are never run as commands."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from qtoolkit.io.pbs import PBSIO
from qtoolkit.io.sge import SGEIO
from qtoolkit.io.shell import ShellIO
from qtoolkit.io.slurm import SlurmIO

from jfcelery.errors import JfceleryError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.hosts.parcels import Publication, Retrieval
from jfcelery.scheduler_io.queue import Submission, WorkerQueue
from jfcelery.scheduler_io.schedulers.base import QueueJob
from jfcelery.scheduler_io.schedulers.pool import Pool
from tests.scheduler_io.schedulers.test_custom import LineIO
from tests.scheduler_io.schedulers.workers import PlainWorker
from tests.scheduler_io.test_script_data import data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: With what a command would take for an option.
_OPTIONS = ["--evil", '--use-compress-program=touch "$CANARY"']
words = data | st.sampled_from(_OPTIONS) | data.map(lambda text: f"--evil{text}")
_IOS: dict[str, Any] = {
    "slurm": SlurmIO(),
    "arrays": SlurmIO(),
    "pbs": PBSIO(),
    "sge": SGEIO(),
    "custom": LineIO(),
    "pool": None,
    "shell": None,
}
#: Programs of schedulers: these have no jobs, and take every job.
PROGRAMS = (
    *("squeue", "scancel", "sacct", "scontrol", "qstat", "qdel", "qacct"),
    *("site-list", "site-kill", "site-show"),
)
#: What these submit is run, as the first task of an array.
SUBMITTERS = ("sbatch", "qsub", "site-submit")
_PROGRAM = """#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in -[ujpot]) shift ;; --evil*) touch "$CANARY" ;; esac
  shift
done
echo 'MaxArraySize = 10'
"""
_SUBMITTER = """#!/bin/sh
for last; do :; done
[ ! -f "$last" ] || SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=0 bash "$last" >/dev/null 2>&1
echo 'Submitted batch job 7'
"""
FIELDS = ("uuid", "queue_id", "name", "file", "user", "metadata")


def _queue(host: LocalHost, scheduler: str, user: str, work: Path) -> WorkerQueue:
    """Return the queue of a worker with a scheduler."""
    name = {"arrays": "slurm", "pool": "shell"}.get(scheduler, scheduler)
    are_arrays = scheduler == "arrays"
    io = _IOS[scheduler]
    worker = PlainWorker(name, io, work, scheduler_username=user, job_arrays=are_arrays)
    pool = Pool(ShellIO(), work / "handle") if scheduler == "pool" else None
    return WorkerQueue(host, worker, settle_s=0, scheduler=pool)


def _operations(
    host: LocalHost, scheduler: str, has: dict[str, str], work: Path
) -> Iterator[Callable[[], object]]:
    """Yield all that is done to jobs on their host, with words that come from elsewhere."""
    queue = _queue(host, scheduler, has["user"], work)
    folder, twin = (RunFolder.of(work, f"{has['uuid']}{end}", 1) for end in ("", "b"))
    job = QueueJob(
        uuid=has["uuid"],
        index=1,
        attempt=1,
        queue_id=has["queue_id"],
        name=has["name"],
        folder=folder,
    )
    names = {folder: has["name"], twin: f"{has['name']}b"}
    marker = {"uuid": has["uuid"], "metadata": {has["metadata"]: has["metadata"]}}
    publications = []
    for one, name in names.items():
        script = f"#!/bin/bash\n#SBATCH --ntasks=1\n# Queue job {name}\nexit 0\n"
        # A name of several lines is no name that a script can have.
        script = script if "\n" not in name else f"#!/bin/bash\n: {shlex.quote(name)}\n"
        files: dict[str, bytes | Path] = {has["file"]: b"content"}
        files[RunFolder.SCRIPT] = script.encode()
        publications.append(Publication(one, files, attempt=1, marker=marker))
    yield lambda: host.publish(publications[0])
    yield lambda: host.publish_all(publications, work_dir=PurePosixPath(work))
    yield lambda: queue.submit_all([Submission(one, name, 1) for one, name in names.items()])
    yield lambda: queue.submit(folder, name=has["name"], attempt=1)
    yield lambda: queue.poll([job])
    yield lambda: queue.end_reports([job])
    yield lambda: queue.cancel([job, replace(job, queue_id="")], confirm_s=0)
    yield lambda: host.fetch(folder, [has["file"]], work / "fetched")
    yield lambda: host.fetch_all([Retrieval(folder, [has["file"]], work / "all")], work_dir=work)
    yield lambda: host.read_text(folder / has["file"])
    yield lambda: host.remove(folder)


@settings(max_examples=50, deadline=None)
@given(scheduler=st.sampled_from(sorted(_IOS)), field=st.sampled_from(FIELDS), evil=words)
@example(scheduler="slurm", field="queue_id", evil="--evil")
@example(scheduler="sge", field="queue_id", evil="--evil")
@example(scheduler="custom", field="queue_id", evil='$(touch "$CANARY")')
@example(scheduler="arrays", field="name", evil="x' ; touch \"$CANARY\"; '")
@example(scheduler="pool", field="name", evil='"; touch "$CANARY"; "')
@example(scheduler="shell", field="file", evil='--use-compress-program=touch "$CANARY"')
def test_no_word_is_run(scheduler: str, field: str, evil: str) -> None:
    """On its whole way to a host and back a job's words are refused, or stay words."""
    # A person's name in a site's own command, both of the project file, may be what it takes.
    assume(field != "user" or not evil.startswith("--"))
    harmless = {"uuid": "abcdefgh", "queue_id": "7", "name": "jfc-abcdefgh-1-1"}
    has = harmless | {"file": "file", "user": "me", "metadata": "m"} | {field: evil}
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        for program in (*PROGRAMS, *SUBMITTERS):
            (base / program).write_text(_SUBMITTER if program in SUBMITTERS else _PROGRAM)
            (base / program).chmod(0o755)
        work, canary = base / "w/o/r/k", base / "canary"
        work.mkdir(parents=True)
        around = {"PATH": f"{base}:/usr/bin:/bin", "CANARY": str(canary), "HOME": name}
        before = {path.name for path in base.iterdir()}
        with patch.dict("os.environ", around):
            for operation in _operations(LocalHost(), scheduler, has, work):
                with contextlib.suppress(JfceleryError, ValueError):
                    operation()
        assert not canary.exists(), (scheduler, field, evil)
        assert {path.name for path in base.iterdir()} - before <= {"w"}
