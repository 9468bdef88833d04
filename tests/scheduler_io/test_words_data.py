"""Ids, names and paths from messages, documents and clusters are never run as commands."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from qtoolkit.io.pbs import PBSIO
from qtoolkit.io.sge import SGEIO
from qtoolkit.io.slurm import SlurmIO

from jfcelery.errors import JfceleryError
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.scheduler_io.schedulers.base import QueueJob
from tests.scheduler_io.schedulers.workers import PlainWorker
from tests.scheduler_io.test_script_data import data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_IOS = {"slurm": SlurmIO(), "pbs": PBSIO(), "sge": SGEIO(), "shell": None}
#: Programs of schedulers: these have no jobs, and take every job.
PROGRAMS = ("sbatch", "squeue", "scancel", "sacct", "qsub", "qstat", "qdel", "qacct")
FIELDS = ("uuid", "queue_id", "name", "file", "user", "metadata")


def _operations(
    host: LocalHost, scheduler: str, has: dict[str, str], work: Path
) -> Iterator[Callable[[], object]]:
    """Yield all that is done to a job on its host, with words that come from elsewhere."""
    worker = PlainWorker(scheduler, _IOS[scheduler], work, scheduler_username=has["user"])
    queue = WorkerQueue(host, worker, settle_s=0)
    folder = RunFolder.of(work, has["uuid"], 1)
    job = QueueJob(
        uuid=has["uuid"],
        index=1,
        attempt=1,
        queue_id=has["queue_id"],
        name=has["name"],
        folder=folder,
    )
    files: dict[str, bytes | Path] = {has["file"]: b"content", RunFolder.SCRIPT: b"exit 0"}
    marker = {"uuid": has["uuid"], "metadata": {has["metadata"]: has["metadata"]}}
    yield lambda: host.publish(Publication(folder, files, attempt=1, marker=marker))
    yield lambda: queue.submit(folder, name=has["name"], attempt=1)
    yield lambda: queue.poll([job])
    yield lambda: queue.end_reports([job])
    yield lambda: queue.cancel([job], confirm_s=0)
    yield lambda: host.fetch(folder, [has["file"]], work / "fetched")
    yield lambda: host.read_text(folder / has["file"])
    yield lambda: host.remove(folder)


@settings(max_examples=25, deadline=None)
@given(scheduler=st.sampled_from(sorted(_IOS)), field=st.sampled_from(FIELDS), evil=data)
def test_no_word_is_run(scheduler: str, field: str, evil: str) -> None:
    """On its whole way to a host and back a job's words are refused, or stay words."""
    harmless = {"uuid": "abcdefgh", "queue_id": "7", "name": "jfc-abcdefgh-1-1"}
    has = harmless | {"file": "file", "user": "me", "metadata": "m"} | {field: evil}
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        for program in PROGRAMS:
            (base / program).write_text("#!/bin/sh\necho 'Submitted batch job 7'\n")
            (base / program).chmod(0o755)
        work, canary = base / "w/o/r/k", base / "canary"
        work.mkdir(parents=True)
        around = {"PATH": f"{base}:/usr/bin:/bin", "CANARY": str(canary), "HOME": name}
        before = {path.name for path in base.iterdir()}
        with patch.dict("os.environ", around):
            for operation in _operations(LocalHost(), scheduler, has, work):
                with contextlib.suppress(JfceleryError, ValueError):
                    operation()
        assert not canary.exists()
        assert {path.name for path in base.iterdir()} - before <= {"w"}
