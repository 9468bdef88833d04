"""Trying out a worker: can jobs be brought there, submitted and run?"""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from uuid import uuid4

from jfcelery.errors import (
    BackPressureError,
    ConfigError,
    HostError,
    JfceleryError,
    RunFolderError,
)
from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.hosts.pool import Hosts
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.scheduler_io.schedulers.base import QueueJob
from jfcelery.scheduler_io.script import path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jfcelery.project import Project, WorkerBase
    from jfcelery.scheduler_io.hosts.base import CommandResult, Host

#: Stands before the exit code of ``pre_run``, to tell its failures from those of what comes after.
_PRE_RUN_CODE = "jfc-pre-run-code="
#: Finds jfcelery as the job script would, and the versions of what runs jobs there.
_VERSIONS = """
program=$(command -v jfc) || { echo 'no command jfc on the PATH' >&2; exit 1; }
python=$(head -n 1 "$program" | cut -c 3-)
echo "$program"
"$python" -c '
import platform
from importlib.metadata import PackageNotFoundError, version
print("python", platform.python_version())
for name in ("jfcelery", "jobflow", "atomate2"):
    try:
        print(name, version(name))
    except PackageNotFoundError:
        if name != "atomate2":
            raise
'
"""
#: Imports modules, and names those that cannot be.
_IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(f"{name} cannot be imported ({error})")
"""


@dataclass(frozen=True)
class Finding:
    """What one try showed.

    Args:
        what: What was tried, in a word or two.
        ok: Whether it went well.
        detail: What was found, or what went wrong.
        remedy: What to do about it.
    """

    what: str
    ok: bool
    detail: str = ""
    remedy: str = ""


def probe_worker(project: Project, name: str) -> Iterator[Finding]:
    """Yield what trying out a worker shows; after a failed login nothing else is tried.

    Args:
        project: The project.
        name: Name of the worker.

    Raises:
        UnknownNameError: The project has no such worker.
    """
    worker = project.get_worker(name)
    try:
        with Hosts.of_person(project) as hosts:
            yield from _findings(hosts, name, worker)
            modules = project.preload if worker.preload is None else worker.preload
            if worker.starts_warm and not worker.is_batch and modules:
                with hosts.lease(name) as host:
                    yield _try("preload", lambda: _preload(host, worker, modules))
    except BackPressureError as error:
        yield Finding("session", ok=False, detail=error.message, remedy=error.remedy)


def _findings(hosts: Hosts, name: str, worker: WorkerBase) -> Iterator[Finding]:
    with hosts.lease(name) as host:
        login = _try("login", lambda: _log_in(host))
        yield login
        if not login.ok:
            return
        yield _try("work_dir", lambda: _write(host, str(worker.work_dir)))
        yield _try("scheduler", lambda: _list(host, worker))
        yield _try("environment", lambda: environment(host, worker))
    if worker.transfer_connection != worker.connection or (
        getattr(worker, "file_transfer", "") == "sftp"
    ):
        with hosts.transfer(name) as host:
            yield _try("transfer", lambda: _carry(host, worker))


def _try(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what, ok=True, detail=attempt())
    except JfceleryError as error:
        return Finding(what, ok=False, detail=error.message, remedy=error.remedy)


def _log_in(host: Host) -> str:
    begin = time.monotonic()
    result = host.run("uname -n")
    if not result.ok:
        raise HostError(f"{host.name}: {result.stderr.strip()}")
    return f"{result.stdout.strip()}, {1000 * (time.monotonic() - begin):.0f} ms"


def _write(host: Host, work_dir: str) -> str:
    folder = shlex.quote(work_dir)
    result = host.run(
        f"mkdir -p {folder} && probe=$(mktemp {folder}/.jfcelery-XXXXXX) && "
        f'echo probe > "$probe" && rm "$probe" && df -Pk {folder} | tail -n 1'
    )
    if not result.ok:
        raise RunFolderError(
            f"{host.name}: cannot write to {work_dir}: {result.stderr.strip()}",
            remedy="Check work_dir and its permissions, and the quota.",
        )
    free = result.stdout.split()[3]
    return f"{work_dir} can be written, {int(free) / 1024**2:.1f} GB free"


def _carry(host: Host, worker: WorkerBase) -> str:
    """Bring a run folder there, and remove it."""
    uuid = str(uuid4())
    folder = RunFolder.of(worker.work_dir, uuid, 1)
    host.publish(
        Publication(folder, {RunFolder.SCRIPT: b"exit 0\n"}, attempt=1, marker={"uuid": uuid})
    )
    host.remove(folder, owner={"uuid": uuid})
    return f"{host.name}: files go as {host.way}"


def _preload(host: Host, worker: WorkerBase, modules: Sequence[str]) -> str:
    """Import what warm processes are to import, as they would."""
    python = shlex.join([sys.executable, "-c", _IMPORT, *modules])
    result = host.run(f"{worker.pre_run or ':'}\n{python}")
    wrong = [line for line in result.stdout.splitlines() if "cannot be imported" in line]
    if wrong or not result.ok:
        raise ConfigError(
            f"{'; '.join(wrong) or result.stderr.strip()}; jobs start cold",
            remedy="Correct `preload`, or install what it names where the runner is.",
        )
    return f"{', '.join(modules)} can be imported"


def _list(host: Host, worker: WorkerBase) -> str:
    nobody = QueueJob("0", 1, 1, "999999999", "jfc-probe", RunFolder(PurePosixPath("/nonexistent")))
    WorkerQueue(host, worker).poll([nobody])
    return f"{worker.scheduler_name} answers"


def environment(host: Host, worker: WorkerBase) -> str:
    """Return the versions of what runs jobs on a worker, found as the job script would.

    Raises:
        ConfigError: There is no jfcelery, or ``pre_run`` fails.
    """
    noted = f'echo "{_PRE_RUN_CODE}$?"'
    result = host.run(f"{worker.pre_run or ':'}\n{noted}\n{path_of(worker)}\n{_VERSIONS}")
    lines = result.stdout.split("\n")
    if not result.ok:
        raise _no_environment(host.name, worker, result)
    known = [line for line in lines[-6:] if line.strip() and not line.startswith(_PRE_RUN_CODE)]
    return ", ".join(known)


def _no_environment(name: str, worker: WorkerBase, result: CommandResult) -> ConfigError:
    """Return why jfcelery was not found: often it is ``pre_run`` that failed before."""
    words = result.stderr.strip().splitlines()
    _, marker, rest = result.stdout.partition(_PRE_RUN_CODE)
    code = rest.partition("\n")[0] if marker else str(result.exit_code)
    said = words[:-1] if marker else words
    if worker.pre_run and (code != "0" or said):
        reason = "; ".join(said[-3:]) or "it wrote nothing to stderr"
        return ConfigError(
            f"{name}: pre_run ended with exit code {code}, and no jfc was found: {reason}",
            remedy="Correct the worker's pre_run; it should activate the environment in which "
            "jfcelery is installed there.",
        )
    return ConfigError(
        f"{name}: {(words or ['jfc cannot be run'])[-1]}",
        remedy="Install jfcelery there, and activate its environment in the worker's pre_run.",
    )
