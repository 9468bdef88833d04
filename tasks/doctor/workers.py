"""The workers: breakers of their hosts, SSH as it is resolved, what runs jobs there."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from jfcelery.database.connection import open_queue
from jfcelery.database.hosts import HostRecords
from jfcelery.scheduler_io.hosts.openssh import ssh_options
from jfcelery.scheduler_io.hosts.place import Place
from jfcelery.scheduler_io.probe import probe_worker
from jfcelery.tasks.doctor.finding import Finding, error, fine, warning
from jfcelery.tasks.doctor.machine import package_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project, WorkerBase
    from jfcelery.scheduler_io.probe import Finding as Tried

#: Seconds that ``ssh -G`` may take; it opens no connection.
RESOLVE_SECONDS = 10.0
#: Lines of the resolved SSH configuration that are shown.
_SHOWN = ("hostname", "user", "port", "proxyjump", "proxycommand")
#: Packages that have to go together here and on the workers.
PACKAGES = ("jfcelery", "jobflow", "atomate2")


def breakers(project: Project) -> Iterator[Finding]:
    """Yield whether steps are held back on some host."""
    records = HostRecords(open_queue(project))
    for host, names in project.hosts.items():
        status, workers = records.get(host), ", ".join(names)
        if status.paused:
            text = f"held back by a person: {status.reason}"
            yield warning(f"worker {workers}", text, f"jfc worker resume {names[0]}")
        elif status.open:
            text = f"held back after {status.failures} failures: {status.reason}"
            yield error(f"worker {workers}", text, f"jfc worker test {names[0]}")
        else:
            yield fine(f"worker {workers}", "steps go through")


def check(project: Project) -> Iterator[Finding]:
    """Yield what trying out each worker shows."""
    for name, worker in project.workers.items():
        subject = f"worker {name}"
        if resolved := _resolved(worker):
            yield fine(subject, f"ssh: {resolved}")
        for tried in probe_worker(project, name):
            yield _finding(subject, tried)
            if tried.what == "environment" and tried.ok:
                yield from _other_versions(subject, tried.detail)


def _finding(subject: str, tried: Tried) -> Finding:
    text = f"{tried.what}: {tried.detail}"
    if tried.ok:
        return fine(subject, text)
    name = subject.removeprefix("worker ")
    return error(subject, text, tried.remedy or f"jfc worker test {name} shows all of it.")


def _resolved(worker: WorkerBase) -> str:
    """Return the way to a worker as OpenSSH resolves it; empty for this machine."""
    if worker.connection is None:
        return ""
    place = Place.of(worker.connection)
    program = shutil.which("ssh")
    if program is None:
        return ""
    try:
        found = subprocess.run(
            [program, "-G", *ssh_options(place), "--", place.host],
            capture_output=True,
            text=True,
            timeout=RESOLVE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = [line.partition(" ") for line in found.stdout.splitlines()]
    return ", ".join(f"{key} {value}" for key, _, value in lines if key in _SHOWN)


def _other_versions(subject: str, text: str) -> Iterator[Finding]:
    """Compare what runs jobs on a worker with what is here."""
    there: dict[str, str] = dict(re.findall(r"\b([a-z]\w*) (\d\S*?)(?:,|$)", text))
    here = platform.python_version()
    if _minor(there.get("python", here)) != _minor(here):
        words = f"Python is {there['python']} there and {here} here: libraries differ, too"
        remedy = f"Make the environment that pre_run activates with Python {_minor(here)}."
        yield warning(subject, words, remedy)
    for name in PACKAGES:
        here = package_version(name)
        if not here or there.get(name) == here:
            continue
        remedy = f"Install {name}=={here} in the environment that pre_run activates"
        if name in there:
            yield warning(subject, f"{name} is {there[name]} there and {here} here", f"{remedy}.")
        else:
            words = f"{name} is {here} here and not installed there"
            yield warning(subject, words, f"{remedy}, if jobs there use it.")


def _minor(version: str) -> str:
    """Return the first two parts of a version, on which the libraries depend."""
    return ".".join(version.split(".")[:2])
